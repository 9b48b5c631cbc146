package isa_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/isa"
)

func TestEveryWordNamesItsISA(t *testing.T) {
	t.Parallel()
	for _, want := range isa.All() {
		got, err := isa.Parse(want.String())
		require.NoError(t, err)
		require.Equal(t, want, got)

		word, err := want.MarshalText()
		require.NoError(t, err)
		var back isa.ISA
		require.NoError(t, back.UnmarshalText(word))
		require.Equal(t, want, back)
		require.NotEmpty(t, want.GoArch())
		require.NotEmpty(t, want.Debian())
		require.NotEmpty(t, want.Multiarch())
		require.NotZero(t, want.Machine())
	}
}

func TestAnUnknownISAIsRefusedWithTheKnownOnes(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"", "riscv64", "X86_64", "invalid", "amd64"} {
		_, err := isa.Parse(word)
		require.ErrorContains(t, err, "say ISA=x86_64 or ISA=arm64", "word %q", word)
	}
	_, err := isa.Invalid.MarshalText()
	require.Error(t, err)
	require.Equal(t, "invalid", isa.Invalid.String())
}
