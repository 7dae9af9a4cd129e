"""A small world with truth: scenes drawn before and after an edit, in thousands of variations.

``scene.scene`` composes one from a seed, ``draw.picture`` draws its states, ``truth.truth`` says
what is true of it, ``check.measures`` whether an edited picture is right.
"""
