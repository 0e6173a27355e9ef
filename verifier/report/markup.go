package report

import (
	"bufio"
	"fmt"
	"html"
)

// A markup is XML or HTML on its way out. bufio keeps the first error for
// Flush.
type markup struct{ w *bufio.Writer }

// raw is markup already: ours, or made by another call.
type raw string

// put writes format with its arguments. Whatever is not a number or raw is
// escaped, for text and for quoted attributes of both languages; what markup
// cannot hold, and what would turn the text around it, becomes an escape
// sequence of Go.
func (m *markup) put(format string, args ...any) {
	fmt.Fprintf(m.w, format, escaped(args)...)
}

func escaped(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case int, float64:
			out[i] = arg
		case raw:
			out[i] = string(arg)
		default:
			out[i] = html.EscapeString(printable(fmt.Sprint(arg)))
		}
	}
	return out
}

// mark returns markup of a format and its arguments, escaped as by put.
func mark(format string, args ...any) raw {
	return raw(fmt.Sprintf(format, escaped(args)...))
}
