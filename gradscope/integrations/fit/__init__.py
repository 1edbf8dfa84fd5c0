"""The measurements inside one `model.fit`: its batches, its steps, and the record they fill."""
