package samplefile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/results/samplefile"
)

// FuzzText holds the reader to its promise: what it accepts is written so that
// it reads back the same, and writing that again gives the same bytes.
func FuzzText(f *testing.F) {
	f.Add([]byte(write(f, some(3))))
	f.Add([]byte(ended("condition,service_ms,busy_us,n\nwarm,1.25,3,4\nlukewarm:4@mix,1,1,1\n")))
	f.Add([]byte(ended("condition,round_trip_ps,null_s,status,reason,counter:a,boot\nstressor:64KiB,1,0,censored,\"\"\"\\n\"\"\",,b\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		samples, err := samplefile.ReadText("f", data)
		if err != nil {
			require.Empty(t, samples)
			return
		}
		for _, s := range samples {
			require.NoError(t, samplefile.Check(s))
		}
		text := write(t, samples)
		again, err := samplefile.ReadText("f", []byte(text))
		require.NoError(t, err)
		require.Equal(t, samples, again)
		require.Equal(t, text, write(t, again))
	})
}

func FuzzParquet(f *testing.F) {
	f.Add(table(f, some(2)))
	f.Add(foreign(f, rowOf(sample(0))))
	f.Fuzz(func(t *testing.T, data []byte) {
		samples, err := samplefile.ReadFile("f.parquet", data)
		if err != nil {
			require.Empty(t, samples)
			return
		}
		again, err := samplefile.ReadFile("f.parquet", table(t, samples))
		require.NoError(t, err)
		require.Equal(t, samples, again)
	})
}
