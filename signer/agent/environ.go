package agent

import (
	"slices"
	"strings"
)

// kept are the variables that an agent needs: where it finds files, servers
// and the screen. A name that ends in an asterisk stands for all that begin so.
var kept = []string{
	"HOME", "PATH", "USER", "LOGNAME", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_*",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
	"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "SSH_ASKPASS", "DBUS_SESSION_BUS_ADDRESS",
	"SystemRoot", "SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP", // Windows
}

// environ returns what an agent gets of its starter's environment. It lives
// longer than what started it: the repository that git was at work on, the
// tokens of a job and the settings of one command are none of its.
func environ(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, ok := strings.Cut(pair, "=")
		return !ok || !keeps(name)
	})
}

func keeps(name string) bool {
	return slices.ContainsFunc(kept, func(k string) bool {
		prefix, all := strings.CutSuffix(k, "*")
		return name == k || all && strings.HasPrefix(name, prefix)
	})
}
