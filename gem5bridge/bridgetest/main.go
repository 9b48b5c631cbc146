package bridgetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"

	"go.uber.org/goleak"

	"microcosm/gem5bridge"
)

// Environment variables by which a test binary learns what it is to be.
const (
	roleVariable = "BRIDGETEST_ROLE"
	workVariable = "BRIDGETEST_WORK" // of the host role, as JSON
)

// hostRole is a cosim that runs one job and may be killed.
const hostRole = "bridgetest: host"

// Main runs the tests of a package and checks that they leave no goroutine
// behind. It makes the test binary a plugin when it was started as one of
// plugins, and is called by TestMain, which must do nothing else.
func Main(m goleak.TestingM, plugins map[string]func()) {
	if !Play(plugins) {
		goleak.VerifyTestMain(m)
	}
}

// Play makes the test binary a plugin when it was started as one of plugins, and
// reports whether it was. It is for a TestMain that has more to do than Main.
func Play(plugins map[string]func()) bool {
	role, playing := os.LookupEnv(roleVariable)
	if !playing {
		return false
	}
	roles := maps.Clone(plugins)
	roles[hostRole] = playHost
	play, known := roles[role]
	if !known {
		fmt.Fprintf(os.Stderr, "no role %q in this test binary\n", role)
		os.Exit(1)
	}
	play()
	return true
}

// Plugin returns how to start this test binary as the plugin of that name.
func Plugin(name string) gem5bridge.Config {
	return gem5bridge.Config{Command: []string{os.Args[0]}, Env: []string{roleVariable + "=" + name}}
}

// hostWork is what the host role does.
type hostWork struct {
	Command []string
	Env     []string
	Job     gem5bridge.Job
}

// playHost samples until it is killed and says so at the first sample.
func playHost() {
	var work hostWork
	if err := json.Unmarshal([]byte(os.Getenv(workVariable)), &work); err != nil {
		fmt.Println(err)
		return
	}
	simulator, err := gem5bridge.Connect(context.Background(), gem5bridge.Config{Command: work.Command, Env: work.Env})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = simulator.Close() }() // it will be killed before
	for sample, err := range simulator.Sample(context.Background(), work.Job, nil) {
		fmt.Println(sample.N, err)
	}
}
