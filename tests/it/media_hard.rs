//! Files made on the spot that once went wrong or easily might.
