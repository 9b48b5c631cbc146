// Command agent is PID 1 of a simulated machine; see package guest.
package main

import (
	"os"

	"microcosm/images/guest"
)

func main() { os.Exit(guest.Main(os.Args, os.Stdin, os.Stdout)) }
