package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
	"microcosm/gem5bridge/supervisor"
)

// patience is how long a test waits for the kernel on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	roles := bridgetest.StandInRoles()
	roles["orchestrator"] = orchestrate
	bridgetest.Main(m, roles)
}

// bench is a supervisor for one test, and what a case needs of it.
type bench struct {
	jobs *job.Registry
	*supervisor.Supervisor
}

func newBench(t *testing.T) bench {
	t.Helper()
	jobs, err := job.Open(t.TempDir())
	require.NoError(t, err)
	return bench{jobs, supervisor.New(supervisor.Options{Jobs: jobs, Poll: 20 * time.Millisecond, Grace: job.Grace{Interrupt: time.Second, Terminate: 50 * time.Millisecond}})}
}

// limits are in CPU time: many times what a stand-in uses between two signs of
// life of a level, and more than a test binary needs to start.
var limits = job.Limits{Host: 600 * time.Millisecond, Commit: 700 * time.Millisecond, Work: 800 * time.Millisecond, Idle: patience}

// idle lets a job sleep no longer than any working one does.
func idle(l *job.Limits) { l.Idle = 2 * time.Second }

// standIn is the job of a stand-in.
func standIn(t *testing.T, name string) supervisor.Spec {
	t.Helper()
	folder := t.TempDir()
	args, env := bridgetest.StandIn(name, folder)
	return supervisor.Spec{What: name, Args: args, Env: env, Folder: folder, Phase: "measure", Limits: limits}
}

// requireGone checks that nothing of a job runs.
func requireGone(t *testing.T, id string) {
	t.Helper()
	require.Empty(t, process.Find(func(s process.Stray) bool { return s.HasEnv(job.Variable + "=" + id) }), "processes are left behind")
}

// orchestrate runs one stand-in until it is killed, and says its job's id.
func orchestrate() {
	jobs, err := job.Open(os.Getenv("JOBS"))
	if err != nil {
		fmt.Println(err)
		return
	}
	args, env := bridgetest.StandIn(os.Getenv("STANDIN"), os.Getenv("JOBS"))
	s := supervisor.New(supervisor.Options{Jobs: jobs, Poll: 20 * time.Millisecond})
	said := false
	_, err = s.Run(context.Background(), supervisor.Spec{
		What: "orchestrated", Args: args, Env: env, Folder: os.Getenv("JOBS"),
		Observe: func(job.Progress) {
			if records, err := jobs.List(); err == nil && len(records) == 1 && !said {
				said = true
				fmt.Println(records[0].ID)
			}
		},
	})
	fmt.Println(err)
}
