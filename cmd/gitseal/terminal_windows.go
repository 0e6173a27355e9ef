package main

// terminalDevice is the name of the console's output.
const terminalDevice = "CONOUT$"
