package gem5bridge_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// toolVersions are the lines in which generated code names its generators.
var toolVersions = regexp.MustCompile(`(?m)^// (- |\t)?protoc.*$`)

func TestGeneratedCodeHasNotDrifted(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("protoc is missing (Debian: protobuf-compiler): the generated code is not compared")
	}
	if _, err := exec.LookPath("protoc-gen-go-grpc"); err != nil {
		t.Skip("protoc-gen-go-grpc is missing (./generate.sh fetches it): the generated code is not compared")
	}
	dir := t.TempDir()
	out, err := exec.Command("./generate.sh", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range []string{"bridge.pb.go", "bridge_grpc.pb.go"} {
		committed, err := os.ReadFile(filepath.Join("bridgepb", name))
		require.NoError(t, err)
		generated, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, toolVersions.ReplaceAllString(string(committed), ""), toolVersions.ReplaceAllString(string(generated), ""),
			"run gem5bridge/generate.sh and commit what it writes")
	}
}
