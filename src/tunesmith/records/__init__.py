"""What a row is, and how rows are read from the field's formats and written as Parquet."""
