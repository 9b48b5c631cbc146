package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	pb "microcosm/functions/proto/hipstershoppb"
)

func TestQuoteAndTrackingNumber(t *testing.T) {
	t.Parallel()
	quote, err := getQuote(context.Background(), &pb.GetQuoteRequest{})
	require.NoError(t, err)
	require.Equal(t, "USD", quote.GetCostUsd().GetCurrencyCode())
	require.EqualValues(t, 8, quote.GetCostUsd().GetUnits())
	require.EqualValues(t, 990000000, quote.GetCostUsd().GetNanos())

	// "1 A, B, CA" has ten characters.
	q := &pb.ShipOrderRequest{Address: &pb.Address{StreetAddress: "1 A", City: "B", State: "CA"}}
	first, err := shipOrder(context.Background(), q)
	require.NoError(t, err)
	require.Regexp(t, `^[A-Z]{2}-10\d{3}-5\d{7}$`, first.GetTrackingId())
	second, err := shipOrder(context.Background(), q)
	require.NoError(t, err)
	require.NotEqual(t, first.GetTrackingId(), second.GetTrackingId())
}
