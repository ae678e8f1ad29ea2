"""What ./msp hands over to: one file per command, nothing that a playbook or plugin needs."""
