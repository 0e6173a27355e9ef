package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// terminalDevice is the name of the console's output.
const terminalDevice = "CONOUT$"

// openNoFollow is nothing: there are no links that anybody may make, nor pipes
// among the files.
const openNoFollow = 0

// showsLines reports whether the console takes lines. A program that draws its
// screen itself has it give away each key.
func showsLines(*os.File) bool {
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer in.Close() // nothing is read
	var mode uint32
	err = windows.GetConsoleMode(windows.Handle(in.Fd()), &mode)
	return err == nil && mode&windows.ENABLE_LINE_INPUT != 0
}
