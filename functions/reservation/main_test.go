package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestNights(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, out string
		want    []night
	}{
		"one night":           {"2015-04-09", "2015-04-10", []night{{"7", "2015-04-09", "2015-04-10"}}},
		"over a month's end":  {"2015-04-30", "2015-05-02", []night{{"7", "2015-04-30", "2015-05-01"}, {"7", "2015-05-01", "2015-05-02"}}},
		"over a leap day":     {"2016-02-28", "2016-03-01", []night{{"7", "2016-02-28", "2016-02-29"}, {"7", "2016-02-29", "2016-03-01"}}},
		"no night":            {"2015-04-09", "2015-04-09", nil},
		"out before in":       {"2015-04-09", "2015-04-08", nil},
		"a summer time's end": {"2015-10-24", "2015-10-26", []night{{"7", "2015-10-24", "2015-10-25"}, {"7", "2015-10-25", "2015-10-26"}}},
	} {
		got, err := nights("7", c.in, c.out)
		require.NoError(t, err)
		require.Equal(t, c.want, got, name)
	}
	for _, dates := range [][2]string{{"", "2015-04-09"}, {"2015-04-09", "tomorrow"}, {"2015-13-01", "2015-13-02"}, {"2015-04-09", "2017-04-09"}} {
		_, err := nights("7", dates[0], dates[1])
		require.Equal(t, codes.InvalidArgument, status.Code(err), dates)
	}
}
