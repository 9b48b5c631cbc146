package functions_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
)

func compose(t *testing.T, text string) *functions.Compose {
	c, err := functions.ReadCompose("compose.yaml", []byte(text))
	require.NoError(t, err)
	return c
}

// TestVSwarmsComposeFile reads a file of the shape that vSwarm's have: a function,
// what it needs, and a relay in front of it.
func TestVSwarmsComposeFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/compose.yaml")
	require.NoError(t, err)
	c, err := functions.ReadCompose("testdata/compose.yaml", text)
	require.NoError(t, err)
	require.Len(t, c.Services, 4)
	profile, ok := c.Service("profile")
	require.True(t, ok)
	require.Equal(t, []string{"/app/server", "--url=0.0.0.0", "--port=8083", "--db_addr=database:27017", "--memcached_addr=memcached:11211"}, profile.Entry)
	require.Equal(t, []string{"database", "memcached"}, c.Relative("profile"))
	require.Equal(t, []string{"profile", "database", "memcached"}, c.Relative("relay"))
	require.Empty(t, c.Relative("database"))
	memcached, _ := c.Service("memcached")
	require.Equal(t, []string{"MEMCACHED_CACHE_SIZE=128", "MEMCACHED_THREADS=2"}, memcached.Env)
	relay, _ := c.Service("relay")
	require.Equal(t, []int{50000}, relay.Ports)

	catalog, err := functions.Load()
	require.NoError(t, err)
	for _, s := range c.Services {
		like, ok := catalog.Like(&s)
		require.Equal(t, s.Name == "profile", ok, s.Name)
		if ok {
			require.Equal(t, "profile", like)
		}
	}
}

func TestWaysToWriteAService(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		lines string
		want  functions.Service
	}{
		"a command in one line":   {`command: serve --name "two words" 'it''s' a\ b`, functions.Service{Command: []string{"serve", "--name", "two words", "its", "a b"}}},
		"no command at all":       {`entrypoint: []`, functions.Service{Entry: []string{}}},
		"variables with defaults": {`command: ["$$HOME", "${PORT:-50051}", "a${X-b}c"]`, functions.Service{Command: []string{"$HOME", "50051", "abc"}}},
		"environment as mapping":  {`environment: {A: b, N: 5, E: ""}`, functions.Service{Env: []string{"A=b", "N=5", "E="}}},
		"short ports":             {`ports: ["50000:50051", 8083, "127.0.0.1:1:2/tcp"]`, functions.Service{Ports: []int{50051, 8083, 2}}},
		"exposed ports":           {`expose: ["9000"]`, functions.Service{Ports: []int{9000}}},
		"conditions":              {`depends_on: {other: {condition: service_started}}`, functions.Service{Needs: []string{"other"}}},
		"links":                   {`links: [other, "other:other"]`, functions.Service{Needs: []string{"other", "other"}}},
		"memory":                  {`mem_limit: 128m`, functions.Service{MemoryMiB: 128}},
		"memory for a swarm":      {`deploy: {resources: {limits: {memory: 1g, cpus: "0.5"}}, replicas: 1}`, functions.Service{MemoryMiB: 1024}},
		"the rest":                {"container_name: n\n    user: \"5\"\n    working_dir: /w\n    restart: always\n    x-mine: {any: thing}", functions.Service{Container: "n", User: "5", Dir: "/w"}},
	} {
		got := compose(t, "x-common: 1\nversion: '3'\nservices:\n  s:\n    image: i\n    "+c.lines+"\n  other:\n    image: o\n").Services[0]
		c.want.Name, c.want.Image, c.want.Line = "s", "i", 4
		require.Equal(t, c.want, got, situation)
	}
}

func TestEveryMistakeInAComposeFileIsNamed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/compose-bad.yaml")
	require.NoError(t, err)
	_, err = functions.ReadCompose("compose-bad.yaml", text)
	require.Error(t, err)
	for n, line := range strings.Split(string(text), "\n") {
		_, want, ok := strings.Cut(line, "# want ")
		if ok {
			require.Regexp(t, `compose-bad\.yaml:`+itoa(n+1)+`:\d+: `+want, err.Error(), "line %d", n+1)
		}
	}
	for situation, c := range map[string][2]string{
		"no services":      {"version: '3'", `key "services" is missing`},
		"a list":           {"- a", "want a mapping"},
		"no YAML":          {"a: [", "compose.yaml:1"},
		"two documents":    {"services: {}\n---\nservices: {}", "one YAML document"},
		"an alias":         {"services: {a: {image: i, links: [\"b:c\"]}, b: {image: i}}", "an alias is not supported"},
		"an open quote":    {"services: {a: {image: i, command: \"a 'b\"}}", "a quote that does not end"},
		"an open variable": {"services: {a: {image: \"${X\"}}", "has no default here"},
	} {
		_, err := functions.ReadCompose("compose.yaml", []byte(c[0]))
		require.ErrorContains(t, err, c[1], situation)
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func FuzzReadCompose(f *testing.F) {
	for _, file := range []string{"compose.yaml", "compose-bad.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := functions.ReadCompose("c.yaml", text)
		if err != nil {
			return
		}
		for _, s := range c.Services {
			require.NotEmpty(t, s.Image)
			for _, need := range c.Relative(s.Name) {
				_, ok := c.Service(need)
				require.True(t, ok, "%s needs %s", s.Name, need)
			}
			for _, port := range s.Ports {
				require.True(t, port >= 1 && port <= 65535)
			}
		}
	})
}
