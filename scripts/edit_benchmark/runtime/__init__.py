"""What every job needs: devices, the skeleton of a job, failures, telemetry."""
