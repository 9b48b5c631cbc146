package job_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
)

// patience is how long a test waits for the kernel on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	if folder := os.Getenv("JOB_TEST_OWN"); folder != "" {
		own(folder)
		return
	}
	goleak.VerifyTestMain(m)
}

// own records a job of its own and waits to be killed. The job's process is
// killed with it, but the one that left the group is not.
func own(folder string) {
	jobs, err := job.Open(folder)
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := begin(jobs, "setsid sleep 1000 & sleep 1000")
	fmt.Println(record.ID, err)
	select {}
}

// begin starts a shell as a job, and writes its record.
func begin(jobs *job.Registry, script string) (job.Record, error) {
	id := job.NewID()
	p, err := process.Start(process.Spec{
		Args: []string{"/bin/sh", "-c", script},
		Env:  append(os.Environ(), job.Variable+"="+id),
	})
	if err != nil {
		return job.Record{}, err
	}
	record, err := job.New(id, p.Identity())
	if err != nil {
		return job.Record{}, err
	}
	record.What = script
	return record, jobs.Write(record)
}

func open(t *testing.T) *job.Registry {
	t.Helper()
	jobs, err := job.Open(t.TempDir())
	require.NoError(t, err)
	return jobs
}

// start is begin for as long as the test runs.
func start(t *testing.T, jobs *job.Registry, script string) job.Record {
	t.Helper()
	record, err := begin(jobs, script)
	require.NoError(t, err)
	t.Cleanup(func() { process.KillStrays(marked(record)) })
	return record
}

func marked(r job.Record) func(process.Stray) bool {
	return func(s process.Stray) bool { return s.HasEnv(job.Variable + "=" + r.ID) }
}

// record is one that was never written, of a process that never was.
func record(t *testing.T) job.Record {
	t.Helper()
	r, err := job.New(job.NewID(), process.Identity{PID: 1 << 22, Start: 1, Boot: "this one"})
	require.NoError(t, err)
	return r
}
