package functions

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"microcosm/functions/internal/shop"
	pb "microcosm/functions/proto/hipstershoppb"
)

func checkProducts(_ Runtime, _ *pb.Empty, p *pb.ListProductsResponse) error {
	all, err := shop.Products()
	if err != nil {
		return err
	}
	return sameMessage(p, all)
}

func checkProduct(_ Runtime, q *pb.GetProductRequest, p *pb.Product) error {
	all, err := shop.Products()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all.GetProducts(), func(one *pb.Product) bool { return one.GetId() == q.GetId() })
	if i < 0 {
		return fmt.Errorf("product %q has no right reply", q.GetId())
	}
	return sameMessage(p, all.GetProducts()[i])
}

func checkSearch(_ Runtime, q *pb.SearchProductsRequest, p *pb.SearchProductsResponse) error {
	all, err := shop.Products()
	if err != nil {
		return err
	}
	query := regexp.MustCompile("(?i)" + regexp.QuoteMeta(q.GetQuery()))
	expected := &pb.SearchProductsResponse{}
	for _, one := range all.GetProducts() {
		if query.MatchString(one.GetName()) || query.MatchString(one.GetDescription()) {
			expected.Results = append(expected.Results, one)
		}
	}
	return sameMessage(p, expected)
}

// checkTracking knows the form of a tracking number: two letters, the length of the
// address and three digits, half that length and seven digits.
func checkTracking(_ Runtime, q *pb.ShipOrderRequest, p *pb.ShipOrderResponse) error {
	a := q.GetAddress()
	n := len(strings.Join([]string{a.GetStreetAddress(), a.GetCity(), a.GetState()}, ", "))
	form := fmt.Sprintf("^[A-Z]{2}-%d[0-9]{3}-%d[0-9]{7}$", n, n/2)
	if !regexp.MustCompile(form).MatchString(p.GetTrackingId()) {
		return fmt.Errorf("tracking number %q does not match %s", p.GetTrackingId(), form)
	}
	return nil
}

// checkRecommended wants as many products as there are, five at most, none twice
// and none from the cart; which ones is chance.
func checkRecommended(_ Runtime, q *pb.ListRecommendationsRequest, p *pb.ListRecommendationsResponse) error {
	all, err := shop.Products()
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for _, one := range all.GetProducts() {
		left[one.GetId()] = !slices.Contains(q.GetProductIds(), one.GetId())
	}
	free := 0
	for _, there := range left {
		if there {
			free++
		}
	}
	if n := min(5, free); len(p.GetProductIds()) != n {
		return fmt.Errorf("%d products: want %d", len(p.GetProductIds()), n)
	}
	for _, id := range p.GetProductIds() {
		if !left[id] {
			return fmt.Errorf("product %q is in the cart, there twice or no product", id)
		}
		left[id] = false
	}
	return nil
}

//go:embed currencyservice/currency_conversion.json
var currencyRates []byte

// rates are the units of each currency in one euro.
func rates() (map[string]float64, error) {
	var texts map[string]string
	if err := json.Unmarshal(currencyRates, &texts); err != nil {
		return nil, fmt.Errorf("currency rates: %w", err)
	}
	rates := map[string]float64{}
	for code, text := range texts {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("rate of %s: %w", code, err)
		}
		rates[code] = rate
	}
	return rates, nil
}

func checkCurrencies(_ Runtime, _ *pb.Empty, p *pb.GetSupportedCurrenciesResponse) error {
	rates, err := rates()
	if err != nil {
		return err
	}
	for _, code := range p.GetCurrencyCodes() {
		if _, ok := rates[code]; !ok {
			return fmt.Errorf("%q is no currency or there twice", code)
		}
		delete(rates, code)
	}
	if len(rates) > 0 {
		return fmt.Errorf("%d currencies are missing", len(rates))
	}
	return nil
}

func checkConvert(_ Runtime, q *pb.CurrencyConversionRequest, p *pb.Money) error {
	rates, err := rates()
	if err != nil {
		return err
	}
	from, to := rates[q.GetFrom().GetCurrencyCode()], rates[q.GetToCode()]
	if from == 0 || to == 0 {
		return fmt.Errorf("%s to %s has no right reply", q.GetFrom().GetCurrencyCode(), q.GetToCode())
	}
	return sameMessage(p, convert(q.GetFrom(), q.GetToCode(), from, to))
}

// convert goes by way of euros with the same roundings as vSwarm's function: numbers
// are IEEE 754 doubles there too, so amounts agree to the last billionth.
func convert(amount *pb.Money, code string, from, to float64) *pb.Money {
	euros, euroNanos := carry(float64(amount.GetUnits())/from, float64(amount.GetNanos())/from)
	euroNanos = math.Floor(euroNanos + 0.5)
	units, nanos := carry(euros*to, euroNanos*to)
	return &pb.Money{CurrencyCode: code, Units: int64(math.Floor(units)), Nanos: int32(math.Floor(nanos))}
}

// carry moves fractions of units to billionths and whole units of those to units. The
// conversion keeps the product from being fused with the sum.
func carry(units, nanos float64) (float64, float64) {
	nanos += float64(math.Mod(units, 1) * 1e9)
	return math.Floor(units) + math.Floor(nanos/1e9), math.Mod(nanos, 1e9)
}
