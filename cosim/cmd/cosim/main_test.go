package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/gem5/standin"
)

// cosimRole is the environment variable that makes the test binary cosim.
const cosimRole = "COSIM_TEST_ROLE"

// TestMain makes the test binary cosim itself where a test starts it as such: in
// scripts, where the environment says so, and as the plugin that cosim makes of
// its own program. It is a plugin that computes, and one that tosses, as well.
func TestMain(m *testing.M) {
	bridge := len(os.Args) > 1 && os.Args[1] == "bridge"
	switch {
	case bridge && os.Args[2] == "tosser":
		gem5bridge.Serve(tosser{})
		return
	case bridge || os.Getenv(cosimRole) != "":
		main()
		return
	}
	if bridgetest.Play(roles) {
		return
	}
	testscript.Main(m, map[string]func(){"cosim": main, "gem5": func() { os.Exit(standin.Main(os.Args[1:])) }})
}

// TestScripts runs the command line as a user does. A script whose name begins
// with host measures on this machine and needs the installed functions.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(root, "bin", "functions")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// images FOLDER writes images for the stand-in of gem5.
			"images": func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(standin.Images(ts.MkAbs(args[0]))) },
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			e.Setenv("MICROCOSM_FUNCTIONS", installed)
			e.Setenv("XDG_DATA_HOME", filepath.Join(e.WorkDir, "data"))
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "functions":
				_, err := os.Stat(installed)
				return err == nil, nil
			case "shared":
				_, err := os.Stat(filepath.Join(root, "..", "shared", "data"))
				return err == nil, nil
			}
			return false, nil
		},
	})
}
