package job_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest/job"
)

func records() []job.Record {
	return []job.Record{
		{Job: "x", Seq: 0, Kind: job.Start, Status: job.OK, Machine: "gem5"},
		{Job: "x", Seq: 1, Kind: job.Create, Status: job.OK, Function: "aes-go", Condition: "stage:create", Nanos: 12},
		{
			Job: "x", Seq: 2, Kind: job.Call, Status: job.OK, Function: "aes-go", Input: "default", Mode: job.Warm, Condition: "warm",
			Phase: job.Measured, N: 3, Marked: true, Nanos: 82_000, Bytes: 40, Cores: []job.Core{{0, 50, 1}, {1, 30, 0}},
		},
		{Job: "x", Seq: 3, Kind: job.End, Status: job.OK, Records: 4},
	}
}

func write(t *testing.T, list []job.Record) string {
	t.Helper()
	var out bytes.Buffer
	for _, r := range list {
		line, err := job.Line(r)
		require.NoError(t, err)
		out.Write(line)
	}
	return out.String()
}

func TestReadRecords(t *testing.T) {
	t.Parallel()
	good := write(t, records())
	lines := strings.SplitAfter(good, "\n")
	failed := records()
	failed[2].Status, failed[2].Reason = job.Failed, "wrong reply"
	endless := records()
	endless[3].Records = 9
	for name, c := range map[string]struct {
		text string
		n    int
		want string
	}{
		"all there":                       {good, 4, ""},
		"a console around them":           {"[ 0.1] Linux\r\n" + strings.ReplaceAll(good, "\n", "\r\n[ 1.0] noise\r\n"), 4, ""},
		"noise before a record's mark":    {"[ 1.0] half a li" + good, 4, ""},
		"nothing":                         {"", 0, "no end: 0 came"},
		"the end is missing":              {strings.Join(lines[:3], ""), 3, "no end: 3 came"},
		"the last line is cut off":        {good[:len(good)-9], 3, "damaged record"},
		"one is missing":                  {lines[0] + lines[2] + lines[3], 1, "record 2 came where 1 is due"},
		"one came twice":                  {lines[0] + good, 1, "record 0 came where 1 is due"},
		"one more after the end":          {good + write(t, []job.Record{{Job: "x", Seq: 4, Kind: job.Start, Status: job.OK}}), 4, "after the end"},
		"a flipped digit":                 {strings.Replace(good, "82000", "82001", 1), 2, "damaged record"},
		"noise within a record":           {strings.Replace(good, `"seq":2`, `"seq[ 1.0] oops":2`, 1), 2, "damaged record"},
		"of two jobs":                     {lines[0] + write(t, []job.Record{{Job: "y", Seq: 1, Kind: job.End, Status: job.OK, Records: 2}}), 1, `of job "y"`},
		"an end that counted otherwise":   {write(t, endless), 3, "tells of 9 records, 4 came"},
		"ok although a call failed":       {write(t, failed), 3, "the end is ok, but record 2 failed: wrong reply"},
		"a failure without a reason":      {write(t, []job.Record{{Job: "x", Kind: job.Start, Status: job.Failed}}), 0, "has a reason"},
		"a call that lacks what it wants": {write(t, []job.Record{{Job: "x", Kind: job.Call, Status: job.OK}}), 0, "function is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := job.ReadRecords(strings.NewReader(c.text))
			require.Len(t, got, c.n)
			if c.n > 0 {
				require.Equal(t, records()[:min(c.n, 2)], got[:min(c.n, 2)])
			}
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, records(), got)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAFailedJobIsCompleteAndSaysSo(t *testing.T) {
	t.Parallel()
	list := records()
	list[3].Status, list[3].Reason = job.Failed, "aes-go: not ready after 2m0s"
	got, err := job.ReadRecords(strings.NewReader(write(t, list)))
	require.NoError(t, err)
	require.Equal(t, list, got)
	_, err = job.ReadRecords(strings.NewReader(""))
	require.ErrorIs(t, err, job.ErrIncomplete)
}

func FuzzReadRecords(f *testing.F) {
	line, err := job.Line(records()[2])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte("@microcosm 00000000 {}\n@microcosm"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := job.ReadRecords(bytes.NewReader(text))
		if err == nil {
			require.Equal(t, job.End, got[len(got)-1].Kind)
		}
		for i, r := range got {
			require.Equal(t, i, r.Seq)
			line, err := job.Line(r)
			require.NoError(t, err)
			back, is, err := job.ParseLine(line)
			require.NoError(t, err)
			require.True(t, is)
			again, err := job.Line(back)
			require.NoError(t, err)
			require.Equal(t, line, again)
		}
	})
}
