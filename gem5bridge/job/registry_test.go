package job_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
)

func TestWhereRecordsAre(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, c := range []struct{ own, state, want string }{
		{"/own", "/state", "/own"},
		{"", "/state", "/state/microcosm/jobs"},
		{"", "", filepath.Join(home, ".local/state/microcosm/jobs")},
	} {
		t.Setenv(job.FolderVariable, c.own)
		t.Setenv("XDG_STATE_HOME", c.state)
		folder, err := job.DefaultFolder()
		require.NoError(t, err)
		require.Equal(t, c.want, folder)
	}
	t.Setenv("HOME", "")
	_, err := job.DefaultFolder()
	require.ErrorContains(t, err, job.FolderVariable)
}

func TestRecordsAreListedOldestFirst(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	var ids []string
	for i := range 3 {
		r := record(t)
		r.Begun = r.Begun.Add(-time.Duration(i) * time.Hour)
		require.NoError(t, jobs.Write(r))
		ids = append([]string{r.ID}, ids...)
	}
	list, err := jobs.List()
	require.NoError(t, err)
	var got []string
	for _, r := range list {
		got = append(got, r.ID)
	}
	require.Equal(t, ids, got)
}

func TestAJobIsFoundByTheBeginningOfItsID(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	a, b := record(t), record(t)
	a.ID, b.ID = "aaaaaaaaaa", "aaaaabbbbb"
	require.NoError(t, jobs.Write(a))
	require.NoError(t, jobs.Write(b))
	found, err := jobs.Load("aaaaab")
	require.NoError(t, err)
	require.Equal(t, b.ID, found.ID)
	for _, prefix := range []string{"", "b", "aaaa", "aaaaaaaaaaa"} {
		_, err = jobs.Load(prefix)
		require.ErrorIs(t, err, job.ErrNoJob, "%q", prefix)
	}
}

func TestADamagedRecordHidesNoOther(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	good := record(t)
	require.NoError(t, jobs.Write(good))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(jobs.Folder(), name), []byte(text), 0o600))
	}
	write("aaaaaaaaaa.json", "{")
	write("notes.txt", "no record")
	write("README.json", "no record")
	text, err := os.ReadFile(filepath.Join(jobs.Folder(), good.ID+".json"))
	require.NoError(t, err)
	write("bbbbbbbbbb.json", string(text)) // copied

	list, err := jobs.List()
	require.ErrorContains(t, err, "aaaaaaaaaa.json")
	require.ErrorContains(t, err, "it is of job "+good.ID)
	require.NotContains(t, err.Error(), "README")
	require.Len(t, list, 1)
	require.Equal(t, good.ID, list[0].ID)
}

// TestAReaderNeverSeesHalfARecord writes and lists at the same time.
func TestAReaderNeverSeesHalfARecord(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	r := record(t)
	require.NoError(t, jobs.Write(r))
	var group sync.WaitGroup
	stop := make(chan struct{})
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			list, err := jobs.List()
			if err != nil || len(list) != 1 {
				t.Error(len(list), err)
				return
			}
		}
	})
	for i := range 200 {
		r.Progress.Items = int64(i)
		require.NoError(t, jobs.Write(r))
	}
	close(stop)
	group.Wait()
}

func TestARecordWithMistakesIsNotWritten(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	require.Error(t, jobs.Write(job.Record{ID: "../evil"}))
	entries, err := os.ReadDir(jobs.Folder())
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestOnlyOldRecordsOfEndedJobsArePruned(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	now := time.Now()
	old, fresh, open := record(t), record(t), record(t)
	old.End = &job.End{Verdict: job.Done, At: now.Add(-2 * time.Hour)}
	fresh.End = &job.End{Verdict: job.Done, At: now}
	for _, r := range []job.Record{old, fresh, open} {
		require.NoError(t, jobs.Write(r))
	}
	pruned, err := jobs.Prune(now.Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, pruned)
	_, err = jobs.Load(old.ID)
	require.ErrorIs(t, err, job.ErrNoJob)
	list, err := jobs.List()
	require.NoError(t, err)
	require.Len(t, list, 2)
}

func TestStates(t *testing.T) {
	t.Parallel()
	self, err := process.Self()
	require.NoError(t, err)
	gone := self
	gone.PID = 1 << 22 // above the kernel's largest
	reused := self
	reused.Start--
	rebooted := self
	rebooted.Boot = "another"
	tests := []struct {
		name   string
		change func(*job.Record)
		want   job.State
	}{
		{"owned by this process", func(*job.Record) {}, job.Running},
		{"closed", func(r *job.Record) { r.End = &job.End{Verdict: job.Done} }, job.Ended},
		{"its owner has ended", func(r *job.Record) { r.Owner = gone }, job.Lost},
		{"its owner's pid was given to another", func(r *job.Record) { r.Owner = reused }, job.Lost},
		{"the machine was started again", func(r *job.Record) { r.Owner = rebooted }, job.Lost},
		{"of another machine on a shared disk", func(r *job.Record) { r.Owner = rebooted; r.Host = "elsewhere" }, job.Elsewhere},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := record(t)
			test.change(&r)
			require.Equal(t, test.want, r.State())
		})
	}
}

func TestStuck(t *testing.T) {
	t.Parallel()
	now := time.Now()
	healthy := record(t)
	healthy.Begun, healthy.Progress.At, healthy.Progress.Alive = now, now, now
	healthy.Limits.Work = time.Minute
	silent, overdue, lost, elsewhere, ended := healthy, healthy, healthy, healthy, healthy
	silent.Progress.At = now.Add(-3 * time.Minute)
	overdue.Progress.Quiet.Work = 2 * time.Minute
	lost.Owner.Start--
	elsewhere.Owner.Boot, elsewhere.Host = "another", "elsewhere"
	elsewhere.Progress.At = silent.Progress.At
	ended.End = &job.End{Verdict: job.GuestHang}
	for situation, c := range map[string]struct {
		record job.Record
		want   string
	}{
		"healthy":                       {healthy, ""},
		"its supervisor hangs":          {silent, "said nothing for 3m0s"},
		"past a limit":                  {overdue, "guest-hang: 2m0s"},
		"its orchestrator was killed":   {lost, "its orchestrator has ended"},
		"nobody here can tell":          {elsewhere, ""},
		"it has ended, however it went": {ended, ""},
	} {
		why := c.record.Stuck(now)
		require.Contains(t, why, c.want, situation)
		require.Equal(t, c.want == "", why == "", situation)
	}
}
