package tlog

import "gitseal/internal/strictjson"

// A reader reads the JSON that logs write.
type reader struct{ strictjson.Reader }

var required, optional = strictjson.Required, strictjson.Optional
