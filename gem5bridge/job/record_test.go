package job_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/job"
)

func TestOverdue(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1000, 0)
	limits := job.Limits{Host: 10 * time.Second, Commit: 20 * time.Second, Work: 30 * time.Second, Idle: time.Minute, Total: time.Hour, Memory: 100 << 20}
	at := begun.Add(30 * time.Minute)
	healthy := job.Progress{
		At: at, Alive: at, CPU: 20 * time.Minute, Memory: 100 << 20, Phase: "measure", Ticks: 7, Instructions: 8, Items: 9, Console: 10,
		Quiet: job.Quiet{Host: 10 * time.Second, Commit: 20 * time.Second, Work: 30 * time.Second},
	}
	tests := []struct {
		name   string
		change func(*job.Progress)
		want   job.Verdict
		says   string
	}{
		{"everything at its limit", func(*job.Progress) {}, job.Invalid, ""},
		{"a busy machine gives it no CPU time", func(p *job.Progress) { p.At, p.Alive = at.Add(29*time.Minute), at.Add(29*time.Minute) }, job.Invalid, ""},
		{"no tick", func(p *job.Progress) { p.Quiet.Host++ }, job.SimHang, "since tick 7"},
		{"no instruction", func(p *job.Progress) { p.Quiet.Commit++ }, job.GuestHang, "since instruction 8"},
		{"no instruction of a boot", func(p *job.Progress) { p.Quiet.Commit++; p.Phase = "boot" }, job.BootHang, "since instruction 8"},
		{"no work", func(p *job.Progress) { p.Quiet.Work++ }, job.GuestHang, "since work item 9 and console byte 10"},
		{"no work of a boot", func(p *job.Progress) { p.Quiet.Work++; p.Phase = "boot" }, job.BootHang, "since work item 9"},
		{"the lowest level that hangs is to blame", func(p *job.Progress) { p.Quiet = job.Quiet{Host: time.Hour, Commit: time.Hour, Work: time.Hour} }, job.SimHang, "since tick 7"},
		{"idle", func(p *job.Progress) { p.Alive = at.Add(-time.Minute - 1) }, job.SimHang, "idle for 1m0s"},
		{"too long in all", func(p *job.Progress) { p.At, p.Alive = begun.Add(time.Hour+1), begun.Add(time.Hour+1) }, job.Timeout, "1h0m0s"},
		{"too much memory", func(p *job.Progress) { p.Memory++ }, job.OutOfMemory, "100 MiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := healthy
			test.change(&p)
			verdict, text := limits.Overdue(p, begun)
			require.Equal(t, test.want, verdict, text)
			require.Contains(t, text, test.says)
			verdict, text = job.Limits{}.Overdue(p, begun)
			require.Equal(t, job.Invalid, verdict, "no limit, no verdict")
			require.Empty(t, text)
		})
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	p := job.Progress{CPU: 30 * time.Second, Instructions: 60e6, Items: 5, Of: 10, FirstItem: 10 * time.Second}
	require.InDelta(t, 2, p.MIPS(), 1e-12)
	left, known := p.Left()
	require.True(t, known)
	require.Equal(t, 25*time.Second, left, "four items took 20 s, five are left")

	require.Zero(t, job.Progress{}.MIPS())
	for situation, p := range map[string]job.Progress{
		"nobody knows how many": {CPU: time.Minute, Items: 5, FirstItem: time.Second},
		"one item has no pace":  {CPU: time.Minute, Items: 1, Of: 5, FirstItem: time.Second},
	} {
		_, known := p.Left()
		require.False(t, known, situation)
	}
	p.Items = 12
	left, known = p.Left()
	require.True(t, known)
	require.Zero(t, left, "more than expected")
}

func TestVerdictsTravelAsWords(t *testing.T) {
	t.Parallel()
	for v := job.Done; v <= job.Interrupted; v++ {
		text, err := v.MarshalText()
		require.NoError(t, err)
		require.Equal(t, v.String(), string(text))
		var back job.Verdict
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, v, back)
	}
	for _, v := range []job.Verdict{job.Invalid, job.Interrupted + 1, -1} {
		_, err := v.MarshalText()
		require.Error(t, err)
		require.Contains(t, v.String(), "invalid")
	}
	var v job.Verdict
	require.ErrorContains(t, v.UnmarshalText([]byte("stuck")), "want one of [done boot-hang")
	require.Error(t, v.UnmarshalText(nil))
}

func TestARecordWithMistakesListsAll(t *testing.T) {
	t.Parallel()
	_, err := job.Parse([]byte(`{"schema": 2, "id": "../../etc", "process": {"pid": 1}}`))
	for _, mistake := range []string{
		"schema 2", `id "../../etc"`, "no host", "process: pid 1 cannot", "process: no start time", "process: no boot id", "owner: pid 0", "no beginning",
	} {
		require.ErrorContains(t, err, mistake)
	}
	for _, text := range []string{"", "null", "[]", "{", `{"begun": "yesterday"}`, `{"end": {"verdict": "stuck"}}`} {
		_, err := job.Parse([]byte(text))
		require.Error(t, err, text)
	}
	whole, err := json.Marshal(record(t))
	require.NoError(t, err)
	_, err = job.Parse(append(whole, whole...))
	require.ErrorContains(t, err, "more than one value")
}

func FuzzParse(f *testing.F) {
	f.Add(`{"schema":1,"id":"abcdefghij","host":"h","process":{"pid":7,"start":8,"boot":"b"},"owner":{"pid":5,"start":8,"boot":"b"},"begun":"2026-01-02T03:04:05Z"}`)
	f.Add(`{"schema":1,"end":{"verdict":"done","at":"2026-01-02T03:04:05Z"}}`)
	f.Add(`{"progress":{"quiet":{"host":-1}},"limits":{"memory":-9}}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := job.Parse([]byte(text))
		if err != nil {
			return
		}
		// What is accepted can be written again, looked at and judged.
		again, err := json.Marshal(r)
		require.NoError(t, err)
		back, err := job.Parse(again)
		require.NoError(t, err)
		require.Equal(t, r.ID, back.ID)
		require.NotContains(t, r.ID, "/")
		require.NotEmpty(t, r.State())
		r.Limits.Overdue(r.Progress, r.Begun)
		r.Progress.Left()
		require.False(t, strings.ContainsRune(r.Stuck(time.Now()), 0))
	})
}
