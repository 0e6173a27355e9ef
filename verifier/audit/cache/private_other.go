//go:build !unix

package cache

import "io/fs"

// private returns nil: where there are no such bits, files under a profile are
// their owner's.
func private(fs.FileInfo) error { return nil }
