"""The command line; no verb of it but `tui` imports textual."""
