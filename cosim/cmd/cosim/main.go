// Command cosim is the command line of Microcosm: it runs scenarios, measures
// service times through the bridge and keeps them in the store.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
