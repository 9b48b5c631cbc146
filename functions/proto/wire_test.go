package proto_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"microcosm/functions"
)

// wire is what vSwarm's clients and functions send each other: vSwarm-proto's packages,
// services, methods and fields with their numbers, as far as the catalog has them.
// Another name or number is another protocol.
var wire = map[string]string{
	"aes.Aes/ShowEncryption":                "{1 plaintext_message string} {1 encryption_info string}",
	"auth.Greeter/SayHello":                 "{1 name string} {1 message string}",
	"fibonacci.Greeter/SayHello":            "{1 name string} {1 message string}",
	"helloworld.Greeter/SayHello":           "{1 name string, 15 vHiveMetadata bytes} {1 message string}",
	"geo.Geo/Nearby":                        "{1 lat float, 2 lon float} {1 hotelIds string*}",
	"user.User/CheckUser":                   "{1 username string, 2 password string} {1 correct bool}",
	"compression.FileCompress/CompressFile": "{1 name string} {1 message string}",
	"image_rotate.ImageRotate/RotateImage":  "{1 name string} {1 message string}",
	"profile.Profile/GetProfiles": "{1 hotelIds string*, 2 locale string} {1 hotels {1 id string, 2 name string, 3 phoneNumber string, 4 description string, " +
		"5 address {1 streetNumber string, 2 streetName string, 3 city string, 4 state string, 5 country string, 6 postalCode string, 7 lat float, 8 lon float}, " +
		"6 images {1 url string, 2 default bool}*}*}",
	"rate.Rate/GetRates": "{1 hotelIds string*, 2 inDate string, 3 outDate string} {1 ratePlans {1 hotelId string, 2 code string, 3 inDate string, 4 outDate string, " +
		"5 roomType {1 bookableRate double, 2 totalRate double, 3 totalRateInclusive double, 4 code string, 5 currency string, 6 roomDescription string}}*}",
	"recommendation.Recommendation/GetRecommendations":   "{1 require string, 2 lat double, 3 lon double} {1 HotelIds string*}",
	"reservation.Reservation/CheckAvailability":          "{1 customerName string, 2 hotelId string*, 3 inDate string, 4 outDate string, 5 roomNumber int32} {1 hotelId string*}",
	"reservation.Reservation/MakeReservation":            "{1 customerName string, 2 hotelId string*, 3 inDate string, 4 outDate string, 5 roomNumber int32} {1 hotelId string*}",
	"prodcon.ProducerConsumer/ConsumeByte":               "{1 value bytes} {1 value bool}",
	"prodcon.ProdConDriver/Benchmark":                    "{1 name string, 2 fanAmount int64} {1 capability string, 2 ok bool}",
	"hipstershop.ProductCatalogService/ListProducts":     "{} {1 products " + product + "*}",
	"hipstershop.ProductCatalogService/GetProduct":       "{1 id string} " + product,
	"hipstershop.ProductCatalogService/SearchProducts":   "{1 query string} {1 results " + product + "*}",
	"hipstershop.ShippingService/GetQuote":               "{1 address " + address + ", 2 items " + item + "*} {1 cost_usd " + money + "}",
	"hipstershop.ShippingService/ShipOrder":              "{1 address " + address + ", 2 items " + item + "*} {1 tracking_id string}",
	"hipstershop.CurrencyService/GetSupportedCurrencies": "{} {1 currency_codes string*}",
	"hipstershop.CurrencyService/Convert":                "{1 from " + money + ", 2 to_code string} " + money,
	"hipstershop.PaymentService/Charge": "{1 amount " + money + ", 2 credit_card {1 credit_card_number string, 2 credit_card_cvv int32, " +
		"3 credit_card_expiration_year int32, 4 credit_card_expiration_month int32}} {1 transaction_id string}",
	"hipstershop.EmailService/SendOrderConfirmation": "{1 email string, 2 order {1 order_id string, 2 shipping_tracking_id string, 3 shipping_cost " + money +
		", 4 shipping_address " + address + ", 5 items {1 item " + item + ", 2 cost " + money + "}*}} {}",
	"hipstershop.RecommendationService/ListRecommendations": "{1 user_id string, 2 product_ids string*} {1 product_ids string*}",
	"microcosm.Null/Call": "{} {}",
}

const (
	money   = "{1 currency_code string, 2 units int64, 3 nanos int32}"
	item    = "{1 product_id string, 2 quantity int32}"
	address = "{1 street_address string, 2 city string, 3 state string, 4 country string, 5 zip_code int32}"
	product = "{1 id string, 2 name string, 3 description string, 4 picture string, 5 price_usd " + money + ", 6 categories string*}"
)

// shape writes a message type as the table above does.
func shape(m protoreflect.MessageDescriptor) string {
	var fields []string
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		text := f.Kind().String()
		if f.Message() != nil {
			text = shape(f.Message())
		}
		if f.IsList() {
			text += "*"
		}
		fields = append(fields, fmt.Sprintf("%d %s %s", f.Number(), f.Name(), text))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

func TestTheMessagesAreVSwarms(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for path, want := range wire {
		service, method, _ := strings.Cut(path, "/")
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		require.NoError(t, err, path)
		m := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
		require.NotNil(t, m, path)
		require.Equal(t, want, shape(m.Input())+" "+shape(m.Output()), path)
		require.False(t, m.IsStreamingClient() || m.IsStreamingServer(), path)
		require.Equal(t, protoreflect.Proto3, m.ParentFile().Syntax(), path)
		seen["/"+path] = true
	}
	catalog, err := functions.Load()
	require.NoError(t, err)
	for _, name := range catalog.Names() {
		f, err := catalog.Lookup(name)
		require.NoError(t, err)
		for _, class := range f.Classes() {
			c, err := f.Class(class)
			require.NoError(t, err)
			require.True(t, seen[c.Method()], "%s of %s calls %s, which the table does not have", class, name, c.Method())
		}
	}
}

// TestThePortsAreVSwarms: where its containers listen.
func TestThePortsAreVSwarms(t *testing.T) {
	t.Parallel()
	catalog, err := functions.Load()
	require.NoError(t, err)
	ports := map[string]int{
		"geo": 8083, "profile": 8083, "rate": 8083, "recommendation": 8083, "reservation": 8083, "user": 8083, "productcatalogservice": 3550,
		"currencyservice": 7000, "emailservice": 8080, "recommendationservice": 8080, "chained-consumer": 3030, "chained-producer": 3031,
	}
	for _, name := range catalog.Names() {
		f, err := catalog.Lookup(name)
		require.NoError(t, err)
		want := ports[name]
		if want == 0 {
			want = 50051
		}
		require.Equal(t, want, f.Port, name)
	}
}
