package functions

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"microcosm/functions/internal/shop"
	pb "microcosm/functions/proto/hipstershoppb"
)

// TestAmountsAreConvertedExactlyButForTheLastBillionths: the check rounds as vSwarm's
// function does, in floating point; here is the same in fractions.
func TestAmountsAreConvertedExactlyButForTheLastBillionths(t *testing.T) {
	t.Parallel()
	all, err := rates()
	require.NoError(t, err)
	codes := []string{}
	for code, rate := range all {
		require.Positive(t, rate, code)
		require.Len(t, code, 3)
		codes = append(codes, code)
	}
	slices.Sort(codes)
	require.Equal(t, 1.0, all["EUR"], "rates are those of one euro")
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.SampledFrom(codes).Draw(t, "from"), rapid.SampledFrom(codes).Draw(t, "to")
		units, nanos := rapid.Int64Range(0, 100_000).Draw(t, "units"), rapid.Int32Range(0, 999_999_999).Draw(t, "nanos")
		q := &pb.CurrencyConversionRequest{From: &pb.Money{CurrencyCode: from, Units: units, Nanos: nanos}, ToCode: to}
		exact := new(big.Rat).SetFrac64(units*1e9+int64(nanos), 1e9)
		exact.Quo(exact, new(big.Rat).SetFloat64(all[from])).Mul(exact, new(big.Rat).SetFloat64(all[to])).Mul(exact, big.NewRat(1e9, 1))
		got := convert(q.GetFrom(), to, all[from], all[to])
		require.True(t, 0 <= got.GetNanos() && got.GetNanos() < 1e9)
		off, _ := exact.Sub(exact, new(big.Rat).SetInt64(got.GetUnits()*1e9+int64(got.GetNanos()))).Float64()
		// Half a billionth of a euro, one of what it becomes, and what doubles lose.
		most := all[to]/2 + 1 + 1e-15*1e9*float64(got.GetUnits()+1)*4
		require.LessOrEqual(t, math.Abs(off), most, "%d.%09d %s to %s", units, nanos, from, to)
		require.NoError(t, checkConvert(NodeJS, q, got))
		got.Nanos ^= 1
		require.Error(t, checkConvert(NodeJS, q, got), "by one billionth")
		require.Error(t, checkConvert(NodeJS, q, &pb.Money{CurrencyCode: from + "X", Units: units, Nanos: nanos}))
	})
	same := &pb.CurrencyConversionRequest{From: &pb.Money{CurrencyCode: "EUR", Units: 7, Nanos: 5}, ToCode: "EUR"}
	require.NoError(t, checkConvert(NodeJS, same, &pb.Money{CurrencyCode: "EUR", Units: 7, Nanos: 5}))
	require.ErrorContains(t, checkConvert(NodeJS, &pb.CurrencyConversionRequest{From: &pb.Money{CurrencyCode: "XXX"}, ToCode: "EUR"}, &pb.Money{}), "XXX to EUR has no right reply")
}

func TestCurrenciesAreAllThereOnce(t *testing.T) {
	t.Parallel()
	all, err := rates()
	require.NoError(t, err)
	var codes []string
	for code := range all {
		codes = append(codes, code)
	}
	check := func(codes ...string) error {
		return checkCurrencies(NodeJS, nil, &pb.GetSupportedCurrenciesResponse{CurrencyCodes: codes})
	}
	require.NoError(t, check(codes...), "in whichever order")
	slices.Reverse(codes)
	require.NoError(t, check(codes...))
	require.EqualError(t, check(codes[1:]...), "1 currencies are missing")
	require.ErrorContains(t, check(append(codes, codes[0])...), "is no currency or there twice")
	require.ErrorContains(t, check(append(codes, "XXX")...), `"XXX" is no currency`)
}

// TestRecommendedProducts: any that are not in the cart, as many as there are, five at
// most.
func TestRecommendedProducts(t *testing.T) {
	t.Parallel()
	list, err := shop.Products()
	require.NoError(t, err)
	var ids []string
	for _, p := range list.GetProducts() {
		ids = append(ids, p.GetId())
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(ids))), len(ids), "no product twice")
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(ids).Draw(t, "order")
		cart := order[:rapid.IntRange(0, len(order)).Draw(t, "cart")]
		rest := order[len(cart):]
		check := func(got ...string) error {
			return checkRecommended(Python, &pb.ListRecommendationsRequest{ProductIds: cart}, &pb.ListRecommendationsResponse{ProductIds: got})
		}
		n := min(5, len(rest))
		good := slices.Clone(rest[:n])
		require.NoError(t, check(good...))
		require.ErrorContains(t, check(append(good, "XYZ")...), fmt.Sprintf("%d products: want %d", n+1, n))
		if n > 0 {
			require.Error(t, check(good[1:]...), "one too few")
			require.ErrorContains(t, check(append(slices.Clone(good[1:]), "XYZ")...), `product "XYZ"`)
			if len(cart) > 0 {
				require.ErrorContains(t, check(append(slices.Clone(good[1:]), cart[0])...), "is in the cart")
			}
		}
		if n > 1 {
			require.ErrorContains(t, check(append(slices.Clone(good[1:]), good[1])...), "there twice")
		}
	})
}

func TestProductsAreComparedFieldByField(t *testing.T) {
	t.Parallel()
	list, err := shop.Products()
	require.NoError(t, err)
	for i, p := range list.GetProducts() {
		require.NoError(t, checkProduct(Go, &pb.GetProductRequest{Id: p.GetId()}, p))
		other := list.GetProducts()[(i+1)%len(list.GetProducts())]
		require.Error(t, checkProduct(Go, &pb.GetProductRequest{Id: p.GetId()}, other), "another product")
		cheaper := proto.Clone(p).(*pb.Product)
		cheaper.PriceUsd.Nanos--
		require.ErrorContains(t, checkProduct(Go, &pb.GetProductRequest{Id: p.GetId()}, cheaper), "differs from byte")
	}
	require.ErrorContains(t, checkProduct(Go, &pb.GetProductRequest{Id: "none"}, &pb.Product{}), `product "none" has no right reply`)
	require.NoError(t, checkProducts(Go, nil, list))
	short := proto.Clone(list).(*pb.ListProductsResponse)
	short.Products = short.GetProducts()[1:]
	require.Error(t, checkProducts(Go, nil, short))
}

func TestASearchFindsWhatContainsTheText(t *testing.T) {
	t.Parallel()
	list, err := shop.Products()
	require.NoError(t, err)
	check := func(query string, found ...*pb.Product) error {
		return checkSearch(Go, &pb.SearchProductsRequest{Query: query}, &pb.SearchProductsResponse{Results: found})
	}
	all := list.GetProducts()
	named := func(name string) *pb.Product {
		return all[slices.IndexFunc(all, func(p *pb.Product) bool { return p.GetName() == name })]
	}
	require.NoError(t, check("", all...), "everything contains nothing")
	require.NoError(t, check("no such thing"))
	require.NoError(t, check("MUG", named("Mug")), "in any case of letters")
	require.NoError(t, check(".*"), "a text and no pattern")
	require.NoError(t, check("(", named("Bamboo Glass Jar")), "as above: it holds 57 oz (1.7 l)")
	require.Error(t, check("mug"))
	require.Error(t, check("mug", all...))
}

func TestATrackingNumberHasItsForm(t *testing.T) {
	t.Parallel()
	q := &pb.ShipOrderRequest{Address: &pb.Address{StreetAddress: "1 A", City: "B", State: "CA"}} // ten characters
	for id, fine := range map[string]bool{
		"AB-10123-51234567": true, "ZZ-10000-50000000": true, "ab-10123-51234567": false, "AB-11123-51234567": false, "AB-10123-61234567": false,
		"AB-1012-51234567": false, "AB-10123-5123456": false, "ABC-10123-51234567": false, "AB-10123-51234567\n": false, "": false,
	} {
		require.Equal(t, fine, checkTracking(Go, q, &pb.ShipOrderResponse{TrackingId: id}) == nil, id)
	}
}
