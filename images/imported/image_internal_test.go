package imported

import (
	"bytes"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	at "microcosm/images/archive/archivetest"
	"microcosm/images/guest/oci"
	"microcosm/images/isa"
	"microcosm/images/unpack"
)

// treeOf is an image of one layer.
func treeOf(t *testing.T, entries ...at.Entry) *unpack.Tree {
	t.Helper()
	tree := unpack.New(t.TempDir(), unpack.Defaults)
	_, err := tree.Apply(bytes.NewReader(at.Tar(t, entries...)))
	require.NoError(t, err)
	return tree
}

// TestArguments: entry point and command are joined as Docker joins them.
func TestArguments(t *testing.T) {
	t.Parallel()
	image := v1.Config{Entrypoint: []string{"serve"}, Cmd: []string{"--port", "1"}}
	for situation, c := range map[string]struct {
		image v1.Config
		start Start
		want  []string
	}{
		"the image's own":                     {image, Start{}, []string{"serve", "--port", "1"}},
		"another command":                     {image, Start{Command: []string{"--quiet"}}, []string{"serve", "--quiet"}},
		"no command":                          {image, Start{Command: []string{}}, []string{"serve"}},
		"another entry point voids a command": {image, Start{Entrypoint: []string{"sh"}}, []string{"sh"}},
		"both":                                {image, Start{Entrypoint: []string{"sh"}, Command: []string{"-c", "x"}}, []string{"sh", "-c", "x"}},
		"a command alone":                     {v1.Config{Cmd: []string{"serve"}}, Start{}, []string{"serve"}},
		"nothing":                             {v1.Config{}, Start{}, nil},
	} {
		require.Equal(t, c.want, arguments(c.image, c.start), situation)
	}
	require.Equal(t, []string{"--port", "1"}, image.Cmd, "the image is left as it is")
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	own := []string{"PATH=/app", "A=1", "AB=2", "EMPTY="}
	require.Equal(t, own, environment(own, nil))
	require.Equal(t, []string{"PATH=/app", "AB=2", "EMPTY=", "A=3"}, environment(own, []string{"A=3"}), "AB is another name")
	require.Equal(t, []string{"PATH=/app", "A=1", "AB=2", "EMPTY=x"}, environment(own, []string{"EMPTY=x"}))
	require.Equal(t, append(own, "NEW=a=b"), environment(own, []string{"NEW=a=b"}))
	require.Equal(t, []string{"PATH=/app", "AB=2", "EMPTY=", "A=4"}, environment(own, []string{"A=3", "A=4"}), "the last word counts")
	require.Equal(t, "A=1", own[1], "the image is left as it is")
}

func TestPort(t *testing.T) {
	t.Parallel()
	exposed := func(names ...string) v1.Config {
		c := v1.Config{ExposedPorts: map[string]struct{}{}}
		for _, n := range names {
			c.ExposedPorts[n] = struct{}{}
		}
		return c
	}
	for situation, c := range map[string]struct {
		image v1.Config
		told  int
		want  int
		err   string
	}{
		"the only one":              {exposed("50051/tcp"), 0, 50051, ""},
		"without a protocol":        {exposed("8083"), 0, 8083, ""},
		"what was told comes first": {exposed("1/tcp", "2/tcp"), 7, 7, ""},
		"two":                       {exposed("1/tcp", "2/tcp"), 0, 0, "it exposes 2 ports: say with --port where it listens"},
		"none":                      {exposed(), 0, 0, "it exposes 0 ports"},
		"of another protocol":       {exposed("53/udp"), 0, 0, "no TCP port"},
		"zero":                      {exposed("0/tcp"), 0, 0, "no TCP port"},
		"too large":                 {exposed("65536/tcp"), 0, 0, "no TCP port"},
		"a range":                   {exposed("80-90/tcp"), 0, 0, "no TCP port"},
	} {
		got, err := port(c.image, Start{Port: c.told})
		if c.err != "" {
			require.ErrorContains(t, err, c.err, situation)
			continue
		}
		require.NoError(t, err, situation)
		require.Equal(t, c.want, got, situation)
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	tables := treeOf(t,
		at.File("etc/passwd", "root:x:0:0::/:/bin/sh\n# a comment\nsvc:x:998:997::/:/bin/sh\n55:x:7:8::/:/bin/sh\nbroken:x:many:1::/:/bin/sh\nminus:x:-1:1::/:/bin/sh\nshort:x:9\n", 0o644),
		at.File("etc/group", "root:x:0:\nworkers:x:600:svc\nodd:x:none:\n", 0o644))
	bare := treeOf(t, at.Dir("app", 0o755))
	for situation, c := range map[string]struct {
		tree     *unpack.Tree
		spec     string
		uid, gid int
		err      string
	}{
		"nobody named is root":                     {tables, "", 0, 0, ""},
		"a name":                                   {tables, "svc", 998, 997, ""},
		"a number that has a name":                 {tables, "998", 998, 997, ""},
		"a number that has none":                   {tables, "1234", 1234, 0, ""},
		"a name that is a number":                  {tables, "55", 7, 8, ""},
		"a name and a group's name":                {tables, "svc:workers", 998, 600, ""},
		"numbers of both":                          {tables, "5:6", 5, 6, ""},
		"a group by its number":                    {tables, "svc:600", 998, 600, ""},
		"numbers, without any table":               {bare, "5:6", 5, 6, ""},
		"a name, without any table":                {bare, "svc", 0, 0, `user "svc" is not in its /etc/passwd`},
		"a name that there is not":                 {tables, "nobody", 0, 0, `user "nobody" is not in its /etc/passwd`},
		"a negative number":                        {tables, "-5", 0, 0, `user "-5" is not in`},
		"a line without numbers makes nobody root": {tables, "broken", 0, 0, `has no numbers in its /etc/passwd but "many" and "1"`},
		"a negative number in the table":           {tables, "minus", 0, 0, `has no numbers`},
		"a line that is too short":                 {tables, "short", 0, 0, `user "short" is not in`},
		"a group that there is not":                {tables, "svc:none at all", 0, 0, `group "none at all" is not in its /etc/group`},
		"a group without a number":                 {tables, "svc:odd", 0, 0, `group "none" is not in its /etc/group`},
		"a negative group":                         {tables, "svc:-1", 0, 0, `group "-1"`},
	} {
		uid, gid, err := user(c.tree, c.spec)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, situation)
			continue
		}
		require.NoError(t, err, situation)
		require.Equal(t, []int{c.uid, c.gid}, []int{uid, gid}, situation)
	}
}

// TestProgram: what is started is looked for as a container's runtime does.
func TestProgram(t *testing.T) {
	t.Parallel()
	tree := treeOf(t,
		at.File("usr/bin/serve", "x", 0o755), at.File("app/serve", "x", 0o755), at.File("first/serve", "x", 0o644),
		at.Dir("second/serve", 0o755), at.Link("linked", "usr/bin"))
	for situation, c := range map[string]struct {
		f    oci.Function
		want string
	}{
		"an absolute path":                  {oci.Function{Args: []string{"/app/serve"}}, "/app/serve"},
		"a relative path":                   {oci.Function{Args: []string{"./serve"}, Dir: "/app"}, "/app/serve"},
		"a relative path, no directory":     {oci.Function{Args: []string{"app/serve"}}, "/app/serve"},
		"a name, no PATH":                   {oci.Function{Args: []string{"serve"}, Dir: "/app"}, "/usr/bin/serve"},
		"a name, PATH":                      {oci.Function{Args: []string{"serve"}, Env: []string{"PATH=/none:/app:/usr/bin"}}, "/app/serve"},
		"not what may not be executed":      {oci.Function{Args: []string{"serve"}, Env: []string{"PATH=/first:/second:/usr/bin"}}, "/usr/bin/serve"},
		"through a link":                    {oci.Function{Args: []string{"serve"}, Env: []string{"PATH=/linked"}}, "/linked/serve"},
		"nowhere: the error names the name": {oci.Function{Args: []string{"none"}}, "none"},
	} {
		require.Equal(t, c.want, program(tree, c.f), situation)
	}
}

// TestRuns: an image may lie about what it was built for.
func TestRuns(t *testing.T) {
	t.Parallel()
	x86 := at.Program("amd64")
	tree := treeOf(t,
		at.File("x86", x86, 0o755), at.File("arm", at.Program("arm64"), 0o755), at.File("data", x86, 0o644),
		at.File("text", "hello", 0o755), at.File("empty", "", 0o755), at.File("cut", x86[:20], 0o755),
		at.File("script", "#! /x86 -u\nhello\n", 0o755), at.File("foreign", "#!/arm\n", 0o755), at.File("lost", "#!/none\n", 0o755),
		at.File("nested", "#!/script\n", 0o755), at.File("circle", "#!/circle\n", 0o755), at.File("bare", "#!\n", 0o755),
		at.Link("link", "x86"), at.Link("dangling", "none"), at.Dir("dir", 0o755))
	for name, want := range map[string]string{
		"/x86": "", "/link": "", "/script": "", "/nested": "",
		"/arm":      "/arm, which is for EM_AARCH64, not for x86_64",
		"/foreign":  "/arm, which is for EM_AARCH64",
		"/lost":     "/none, which is not in the image",
		"/data":     "may not be executed",
		"/none":     "which is not in the image",
		"/dangling": "which is not in the image",
		"/dir":      "may not be executed",
		"/text":     "neither an ELF program nor a script",
		"/empty":    "neither an ELF program nor a script",
		"/bare":     "neither an ELF program nor a script",
		"/circle":   "neither an ELF program nor a script",
		"/cut":      "it starts /cut: ",
	} {
		err := runs(tree, name, isa.X86, 0)
		if want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, want, name)
		}
	}
	require.NoError(t, runs(tree, "/arm", isa.Arm, 0))
}

// TestEveryMistakeOfAnImageIsReported.
func TestEveryMistakeOfAnImageIsReported(t *testing.T) {
	t.Parallel()
	config := &v1.ConfigFile{Config: v1.Config{
		User: "nobody", Volumes: map[string]struct{}{"/b": {}, "/a": {}}, WorkingDir: "app",
	}}
	f, err := describe(config, Start{}, treeOf(t, at.Dir("a", 0o755)), isa.X86)
	for _, want := range []string{"exposes 0 ports", `user "nobody"`, "volume /b", "says nothing about what to start"} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "volume /a")
	require.Equal(t, "/app", f.Dir, "a directory without a root is below it")
	require.Equal(t, []string{"/a", "/b"}, f.Writable, "in order, so that equal images give equal functions")
}
