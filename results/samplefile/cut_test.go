package samplefile_test

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// awkwardText is a file with quoted cells, texts of several lines and a text that
// reads like the end.
func awkwardText(t testing.TB) (string, []servicetime.Sample) {
	t.Helper()
	samples := some(3)
	samples[0].Provenance.Note = "a, \"b\"\n# end of 1 samples\nc"
	samples[1].Key.Function = "# end of 1 samples"
	samples[2].Status, samples[2].Reason = servicetime.Censored, "ünknown"
	samples[2].Counters = map[string]int64{"a, b": -1}
	return write(t, samples), samples
}

// TestATextCutAnywhereNamesALineOfItsOwn: at every byte, of both kinds of line
// ends; a mistake is never placed beyond what is there.
func TestATextCutAnywhereNamesALineOfItsOwn(t *testing.T) {
	t.Parallel()
	unix, samples := awkwardText(t)
	place := regexp.MustCompile(`(?m)^f\.csv:(\d+): `)
	for _, text := range []string{unix, strings.ReplaceAll(unix, "\n", "\r\n"), "\ufeff" + unix} {
		whole := strings.TrimRight(text, "\r\n")
		for cut := range len(whole) {
			got, err := samplefile.ReadText("f.csv", []byte(whole[:cut]))
			require.Error(t, err, "%q", whole[:cut])
			require.Empty(t, got)
			lines := strings.Count(strings.TrimRight(whole[:cut], "\r\n"), "\n") + 1
			places := place.FindAllStringSubmatch(err.Error(), -1)
			require.NotEmpty(t, places, err)
			for _, p := range places {
				line, err := strconv.Atoi(p[1])
				require.True(t, err == nil && line >= 1 && line <= lines, "after %d bytes: %s", cut, p[0])
			}
		}
		for _, end := range []string{"", "\n", "\r\n", "\n\n\n"} {
			got, err := samplefile.ReadText("f.csv", []byte(whole+end))
			require.NoError(t, err)
			require.Equal(t, samples, got)
		}
	}
}

// TestACutInsideTheTableIsSaidToBeOne: the user learns that the file was cut, not
// only that it is odd.
func TestACutInsideTheTableIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	text, _ := awkwardText(t)
	table := strings.Index(text, "\nfunction,") + 1
	require.Positive(t, table)
	for cut := table + 1; cut < len(text)-1; cut++ {
		_, err := samplefile.ReadText("f.csv", []byte(text[:cut]))
		require.ErrorContains(t, err, "the file was cut", "after %d bytes", cut)
	}
}

// TestAnythingBehindTheEndIsRefused: two files in one, or a file that was
// written on.
func TestAnythingBehindTheEndIsRefused(t *testing.T) {
	t.Parallel()
	text := write(t, some(2))
	for _, behind := range []string{text, "warm,9,1,1000001,0,0,0,restore-0,1\n", "# a remark\n", "# end of 2 samples\n", " \n"} {
		got, err := samplefile.ReadText("f.csv", []byte(text+behind))
		require.ErrorContains(t, err, "f.csv:", "%q", behind)
		require.Empty(t, got)
	}
	for _, end := range []string{"# end of -1 samples", "# end of +2 samples", "# end of 2 samples ", "# End of 2 samples", "# end of 99999999999999999999 samples", "# end of 2 sample"} {
		_, err := samplefile.ReadText("f.csv", []byte(strings.Replace(text, "# end of 2 samples", end, 1)))
		require.ErrorContains(t, err, "the last line must be \"# end of N samples\"", end)
	}
	for _, end := range []string{"# end of 0 samples", "# end of 1 samples", "# end of 3 samples", "# end of 9223372036854775807 samples"} {
		_, err := samplefile.ReadText("f.csv", []byte(strings.Replace(text, "# end of 2 samples", end, 1)))
		require.ErrorContains(t, err, "2 rows stand above, and this line says "+strings.Fields(end)[3], end)
	}
}

// TestAnyByteOverwritten: a file that was damaged in one place is refused with a
// place, or is another sound file; it never breaks the reader, and nothing that
// is refused brings samples.
func TestAnyByteOverwritten(t *testing.T) {
	t.Parallel()
	text, samples := awkwardText(t)
	for name, data := range map[string][]byte{"f.csv": []byte(text), "f.parquet": table(t, samples)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := 1
			if name == "f.parquet" {
				step = 11 // it takes long to decode, and has no place of its own for each byte
			}
			for at := 0; at < len(data); at += step {
				damaged := append([]byte{}, data...)
				damaged[at] ^= []byte{0x01, 0x80, 0xff}[at%3]
				got, err := samplefile.ReadFile(name, damaged)
				if err != nil {
					require.Empty(t, got)
					require.True(t, strings.HasPrefix(err.Error(), name), err)
					continue
				}
				for _, s := range got {
					require.NoError(t, samplefile.Check(s), "byte %d", at)
				}
			}
		})
	}
}

// limited is a disk that has room for so many bytes.
type limited struct{ room int }

func (l *limited) Write(data []byte) (int, error) {
	if len(data) > l.room {
		n := l.room
		l.room = 0
		return n, syscall.ENOSPC
	}
	l.room -= len(data)
	return len(data), nil
}

func TestAFullDiskIsReportedWhereverItFills(t *testing.T) {
	t.Parallel()
	samples := some(150) // more than a buffer holds
	text, table := len(write(t, samples)), len(table(t, samples))
	require.Greater(t, text, 2*4096)
	const last = 24
	for step := range last + 1 {
		err := samplefile.WriteText(&limited{room: step * (text - 1) / last}, samples)
		require.ErrorIs(t, err, syscall.ENOSPC, "text, step %d", step)
		require.ErrorContains(t, err, "write samples: ")
		err = samplefile.WriteParquet(&limited{room: step * (table - 1) / last}, samples)
		require.ErrorIs(t, err, syscall.ENOSPC, "table, step %d", step)
		require.ErrorContains(t, err, "write samples: ")
	}
	require.NoError(t, samplefile.WriteText(&limited{room: text}, samples))
	require.NoError(t, samplefile.WriteParquet(&limited{room: table}, samples))
}

var errDisk = errors.New("input/output error")

// torn is a file whose second half cannot be read.
type torn struct{ data []byte }

func (f torn) ReadAt(to []byte, at int64) (int, error) {
	half := int64(len(f.data)) / 2
	n := 0
	if at < half {
		n = copy(to, f.data[at:half])
	}
	if n < len(to) {
		return n, errDisk
	}
	return n, nil
}

// footless is a file whose first half cannot be read: its footer can.
type footless struct{ data []byte }

func (f footless) ReadAt(to []byte, at int64) (int, error) {
	if at < int64(len(f.data))/2 {
		return 0, errDisk
	}
	return copy(to, f.data[at:]), nil
}

func TestAnErrorOfTheDiskIsTold(t *testing.T) {
	t.Parallel()
	data := table(t, some(50))
	got, err := samplefile.ReadParquet("f.parquet", torn{data}, int64(len(data)))
	require.ErrorIs(t, err, errDisk)
	require.Empty(t, got)
	got, err = samplefile.ReadParquet("f.parquet", footless{data}, int64(len(data)))
	require.ErrorIs(t, err, errDisk)
	require.Empty(t, got)
}
