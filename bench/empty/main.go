// Command empty is the least that a Go program can do: the floor under
// starting one.
package main

func main() {}
