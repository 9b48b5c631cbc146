package mapping_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/loadgen"
	"microcosm/loadgen/mapping"
)

const profiles = `{
    "auth-go": {"duration": {"50-percentile": 0.7}, "memory": {"50-percentile": 23.5}},
    "aes-go-1": {
        "memory": {"50-percentile": 1},
        "duration": {"50-percentile": 20}
    }
}
`

// TestAFileCutAnywhereIsRefused: no part of a table or of profiles passes for a
// whole one, compressed or not, and the mistake stands on a line that is there.
func TestAFileCutAnywhereIsRefused(t *testing.T) {
	t.Parallel()
	place := regexp.MustCompile(`file\.json:(\d+): `)
	for name, read := range map[string]func(path string) error{
		mapperOutput: func(path string) error { _, err := mapping.ReadTable(path); return err },
		profiles:     func(path string) error { _, err := mapping.ReadProfiles(path); return err },
	} {
		folder := t.TempDir()
		whole := strings.TrimSpace(name)
		for cut := range whole {
			err := read(file(t, folder, whole[:cut]))
			require.ErrorAs(t, err, new(*loadgen.FileError), "%q", whole[:cut])
			for _, found := range place.FindAllStringSubmatch(err.Error(), -1) {
				var line int
				_, scanned := fmt.Sscan(found[1], &line)
				require.NoError(t, scanned)
				require.LessOrEqual(t, line, strings.Count(whole[:cut], "\n")+1, "after %d bytes: %v", cut, err)
			}
		}
		require.NoError(t, read(file(t, folder, whole)))
		packed := gz(t, whole)
		for cut := range packed {
			if cut < 2 {
				continue // too short to be known as compressed: no JSON either
			}
			err := read(file(t, folder, packed[:cut]))
			require.ErrorAs(t, err, new(*loadgen.FileError), "%d bytes of %d, compressed", cut, len(packed))
			require.ErrorContains(t, err, "copy it again", "%d bytes of %d, compressed", cut, len(packed))
		}
	}
}

// TestADamagedCompressedFileIsRefused: the checksum at its end is read even though
// the object ends before; a change that a checksum cannot see changes nothing.
func TestADamagedCompressedFileIsRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	packed := gz(t, mapperOutput)
	want, err := mapping.ReadTable(file(t, folder, packed))
	require.NoError(t, err)
	for at := 2; at < len(packed); at++ {
		damaged := []byte(packed)
		damaged[at] ^= 0x10
		got, err := mapping.ReadTable(file(t, folder, string(damaged)))
		if err != nil {
			require.ErrorAs(t, err, new(*loadgen.FileError))
			require.Nil(t, got)
			continue
		}
		require.Less(t, at, 10, "only the header's date and system may change unnoticed")
		require.Equal(t, want, got)
	}
}

func TestNothingMayFollowTheObject(t *testing.T) {
	t.Parallel()
	for behind, want := range map[string]string{
		"{}":             "file.json:7: something follows the JSON object; the file must hold one object and nothing else",
		"\n\n\"more\"":   "file.json:9: something follows the JSON object",
		"7":              "file.json:7: something follows the JSON object",
		"}":              "file.json:7: invalid character '}' looking for beginning of value",
		"# a remark":     "file.json:7: invalid character '#' looking for beginning of value",
		mapperOutput:     "file.json:7: something follows the JSON object",
		"\x00\x00\x00\t": "file.json:7: invalid character '\\x00' looking for beginning of value",
	} {
		table, err := mapping.ReadTable(file(t, t.TempDir(), mapperOutput+behind))
		require.ErrorContains(t, err, want, "%q", behind)
		require.Nil(t, table)
	}
	for _, behind := range []string{"\n", " \t\r\n\n"} {
		_, err := mapping.ReadTable(file(t, t.TempDir(), mapperOutput+behind))
		require.NoError(t, err, "%q", behind)
	}
}

func TestWhatCannotBeReadIsSaidWithItsPath(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	_, err := mapping.ReadTable(folder)
	require.EqualError(t, err, folder+": cannot be read: is a directory; want a file")
	none := folder + "/none.json"
	_, err = mapping.ReadProfiles(none)
	require.EqualError(t, err, none+": no such file, with or without .gz; check the trace's path")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestValuesOfOtherKindsAreNamed: every place of a profile, the whole message.
func TestValuesOfOtherKindsAreNamed(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		`7`:                                     "a value of kind number stands where an object belongs",
		`[]`:                                    "a value of kind array stands where an object belongs",
		`{"duration": 7}`:                       "a value of kind number stands where an object belongs",
		`{"duration": {"50-percentile": "7"}}`:  "a value of kind string stands where a number belongs",
		`{"duration": {"50-percentile": true}}`: "a value of kind bool stands where a number belongs",
		`{"duration": {"50-percentile": 0}}`:    `profile "a": the 50-percentile of duration is 0; want milliseconds above 0`,
		`{"duration": {"50-percentile": 1e-7}}`: `profile "a": the 50-percentile of duration is 1e-07; want milliseconds above 0`,
		`{"duration": {"50-percentile": 1e12}}`: `profile "a": the 50-percentile of duration is 1e+12; want milliseconds above 0`,
		`null`:                                  `profile "a": the 50-percentile of duration is 0; want milliseconds above 0`,
		`{"duration": {"50-percentile": 1}, "memory": {"50-percentile": -1}}`:   `profile "a": the 50-percentile of memory is -1; want MB above 0`,
		`{"duration": {"50-percentile": 1}, "memory": {"50-percentile": 1e12}}`: `profile "a": the 50-percentile of memory is 1e+12; want MB above 0`,
		`{"duration": {"50-percentile": 1}, "memory": null}`:                    `profile "a": the 50-percentile of memory is 0; want MB above 0`,
	} {
		path := file(t, t.TempDir(), "{\n\"a\":\n"+entry+"}")
		list, err := mapping.ReadProfiles(path)
		require.EqualError(t, err, path+":2: "+want, entry)
		require.Nil(t, list)
	}
}

// TestMistakesOfEntriesAreToldTogether, in the file's order, and the sound ones
// between them are read.
func TestMistakesOfEntriesAreToldTogether(t *testing.T) {
	t.Parallel()
	path := file(t, t.TempDir(), `{
"a": {"proxy-function": "x"},
"a": {"proxy-function": "y"},
"b": {},
"c": {"proxy-function": null},

"d": ["x"], "e": {"proxy-function": {}},
"": {"proxy-function": "x"},
"": {"proxy-function": "x"}
}`)
	_, err := mapping.ReadTable(path)
	require.EqualError(t, err, strings.ReplaceAll(`PATH:3: key "a" stands twice; remove one
PATH:4: key "b" has no proxy-function; name the measured function that stands for it
PATH:5: key "c" has no proxy-function; name the measured function that stands for it
PATH:7: a value of kind array stands where an object belongs
PATH:7: a value of kind object stands where a string belongs
PATH:9: key "" stands twice; remove one`, "PATH", path))
}
