"""ZPL II as pure code: label layout out, `~HS` host status in (fact sheet `zpl.md`)."""
