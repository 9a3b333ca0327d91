package restore
