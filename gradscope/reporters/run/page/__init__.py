"""The page of a report: what its first screen says and draws, as data and as markup."""
