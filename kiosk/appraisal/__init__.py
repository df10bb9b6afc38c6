"""Low, medium or high: models run at the edge, calibrated grades, fusion, reasons in words."""
