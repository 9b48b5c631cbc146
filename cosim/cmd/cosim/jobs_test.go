package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
	"microcosm/gem5bridge/supervisor"
)

// simulate runs a shell script as a detailed simulation, until the test ends or
// somebody ends it, and returns its id and its outcome to come.
func simulate(t *testing.T, jobs *job.Registry, script string) (id string, ended <-chan supervisor.Outcome) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	outcomes := make(chan supervisor.Outcome, 1)
	began := make(chan struct{})
	var once sync.Once
	spec := supervisor.Spec{
		What: "skylake-x86 fibonacci-go warm", Args: []string{"/bin/sh", "-c", script}, Folder: t.TempDir(), Phase: "measure", Of: 30,
		Observe: func(p job.Progress) {
			if p.Console > 0 && p.Items > 1 {
				once.Do(func() { close(began) })
			}
		},
	}
	go func() {
		// An interrupted job is an error as well: the outcome tells.
		outcome, _ := supervisor.New(supervisor.Options{Jobs: jobs, Poll: 20 * time.Millisecond}).Run(ctx, spec)
		outcomes <- outcome
		close(outcomes)
	}()
	t.Cleanup(func() {
		cancel()
		for range outcomes { //nolint:revive // until it is closed
		}
	})
	select {
	case <-began:
	case outcome := <-outcomes:
		require.Fail(t, "the job has ended", outcome.Text)
	}
	list, err := jobs.List()
	require.NoError(t, err)
	return list[len(list)-1].ID, outcomes
}

// busy is a simulator that has done two items and goes on.
const busy = `
echo agent: up >console
i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done
{
echo '{"line":0,"event":"start","tick":0}'
echo '{"line":1,"event":"beat","tick":5,"instructions":[500000,1500000],"works":1}'
} >events.jsonl
sleep 0.2
while [ $i -lt 200000 ]; do i=$((i+1)); done
echo '{"line":2,"event":"beat","tick":9,"instructions":[500000,2500000],"works":2}' >>events.jsonl
`

// cosim runs a command line and returns what it prints.
func cosim(t *testing.T, code int, args ...string) (out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	require.Equal(t, code, run(args, nil, &o, &e), "cosim %v\n%s%s", args, o.String(), e.String())
	return o.String(), e.String()
}

func TestJobsAreListedFollowedAndEnded(t *testing.T) {
	t.Setenv(job.FolderVariable, filepath.Join(t.TempDir(), "jobs"))
	_, errs := cosim(t, 0, "jobs")
	require.Contains(t, errs, "no detailed simulation runs here")
	out, _ := cosim(t, 0, "jobs", "--json")
	require.JSONEq(t, `{"jobs": [], "quarantined": []}`, out)

	jobs, err := openJobs()
	require.NoError(t, err)
	id, ended := simulate(t, jobs, busy+"sleep 1000")
	require.Eventually(t, func() bool {
		r, err := jobs.Load(id)
		return err == nil && r.Progress.Items == 2 && r.Progress.CPU > 0
	}, time.Minute, 10*time.Millisecond, "the record is written every now and then")
	out, _ = cosim(t, 0, "jobs")
	lines := strings.Split(out, "\n")
	require.Equal(t, []string{"id", "state", "phase", "items", "MIPS", "age", "left", "what"}, strings.Fields(lines[0]))
	fields := strings.Fields(lines[1])
	require.Equal(t, []string{id, "running", "measure", "2/30"}, fields[:4])
	require.Equal(t, []string{"skylake-x86", "fibonacci-go", "warm"}, fields[len(fields)-3:])

	var report jobsReport
	out, _ = cosim(t, 0, "jobs", "--json")
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Jobs, 1)
	require.Equal(t, job.Running, report.Jobs[0].State)
	require.EqualValues(t, 3000000, report.Jobs[0].Progress.Instructions)
	require.InDelta(t, 3/report.Jobs[0].Progress.CPU.Seconds(), report.Jobs[0].MIPS, 1e-9)

	out, _ = cosim(t, 0, "kill", "--stuck")
	require.Empty(t, out, "it is well")
	var list []map[string]string
	out, _ = cosim(t, 0, "kill", id[:6], "--json")
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Equal(t, id, list[0]["id"])
	outcome := <-ended
	require.Equal(t, job.Killed, outcome.Verdict)
	require.Empty(t, process.Find(func(s process.Stray) bool { return s.HasEnv(job.Variable + "=" + id) }))

	_, errs = cosim(t, 0, "jobs")
	require.Contains(t, errs, "no detailed simulation runs here")
	out, _ = cosim(t, 0, "jobs", "--all")
	require.Contains(t, out, id+"  killed")
	out, errs = cosim(t, 0, "jobs", "--follow", id)
	require.Equal(t, "agent: up\n", out)
	require.Contains(t, errs, "job "+id+": killed")
	_, errs = cosim(t, 1, "kill", id)
	require.Contains(t, errs, "is left alone: it has ended")
}

func TestAConsoleIsFollowedToItsEnd(t *testing.T) {
	t.Setenv(job.FolderVariable, t.TempDir())
	jobs, err := openJobs()
	require.NoError(t, err)
	gate := filepath.Join(t.TempDir(), "gate")
	id, _ := simulate(t, jobs, busy+"while [ ! -e "+gate+" ]; do sleep 0.02; done; echo last words >>console; exit 3")
	opener := time.AfterFunc(100*time.Millisecond, func() { _ = os.WriteFile(gate, nil, 0o600) })
	defer opener.Stop()
	out, errs := cosim(t, 0, "jobs", "--follow", id)
	require.Equal(t, "agent: up\nlast words\n", out)
	require.Contains(t, errs, "job "+id+": crash")
}

func TestWhatIsStuckIsMarkedAndEnded(t *testing.T) {
	t.Setenv(job.FolderVariable, t.TempDir())
	jobs, err := openJobs()
	require.NoError(t, err)
	// A job whose orchestrator has ended, as far as its record says.
	id := job.NewID()
	p, err := process.Start(process.Spec{Args: []string{"/bin/sleep", "1000"}, Env: append(os.Environ(), job.Variable+"="+id)})
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(0) })
	record, err := job.New(id, p.Identity())
	require.NoError(t, err)
	record.Owner.Start--
	require.NoError(t, jobs.Write(record))

	out, errs := cosim(t, 0, "jobs")
	require.Contains(t, out, id+"  stuck")
	require.Contains(t, errs, "its orchestrator has ended; cosim kill "+id+" ends it")
	out, _ = cosim(t, 0, "kill", "--stuck")
	require.Contains(t, out, id)
	<-p.Done()
	out, _ = cosim(t, 0, "jobs", "--all")
	require.Contains(t, out, id+"  interrupted")
}

func TestQuarantineIsShownAndLifted(t *testing.T) {
	t.Setenv(job.FolderVariable, t.TempDir())
	jobs, err := openJobs()
	require.NoError(t, err)
	for range job.QuarantineAfter {
		require.NoError(t, jobs.Quarantine(job.QuarantineAfter).Failed(t.Context(), "aes-go warm", job.GuestHang, "no work"))
	}
	_, errs := cosim(t, 0, "jobs")
	require.Contains(t, errs, `cosim jobs --release "aes-go warm"`)
	var report jobsReport
	out, _ := cosim(t, 0, "jobs", "--json")
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Len(t, report.Quarantined, 1)
	cosim(t, 0, "jobs", "--release", "aes-go warm")
	_, errs = cosim(t, 0, "jobs")
	require.NotContains(t, errs, "aes-go")
}

func TestMistakesAboutJobs(t *testing.T) {
	t.Setenv(job.FolderVariable, t.TempDir())
	for line, c := range map[string]struct {
		code int
		says string
	}{
		"kill":                           {2, "--stuck"},
		"kill --stuck abc":               {2, "--stuck"},
		"kill abc defg":                  {1, `no such job: "defg"`},
		"jobs --follow abc":              {1, `no such job: "abc"`},
		"jobs abc":                       {2, "cosim jobs --help"},
		"jobs --all --follow abc":        {2, "ask one"},
		"kill abc --interrupt yesterday": {2, "interrupt"},
	} {
		_, errs := cosim(t, c.code, strings.Fields(line)...)
		require.Contains(t, errs, c.says, line)
	}
	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv(job.FolderVariable), "aaaaaaaaaa.json"), []byte("{"), 0o600))
	_, errs := cosim(t, 1, "jobs")
	require.Contains(t, errs, "aaaaaaaaaa.json")
}
