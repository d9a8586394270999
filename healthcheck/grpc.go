package healthcheck

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/encoding/protowire"
)

// grpcProbe asks grpc.health.v1.Health/Check and finds a target good when it
// is SERVING. It makes one HTTP/2 request by itself: a gRPC client would keep
// a pool, a resolver and goroutines for each of thousands of targets.
type grpcProbe struct{ network network }

func (p grpcProbe) probe(ctx context.Context, t Target) (found finding, err error) {
	if err := checkHost(hostHeader(t)); err != nil {
		return found, err
	}
	conn, release, err := p.network.dial(ctx, "tcp", t)
	if err != nil {
		return found, err
	}
	defer release()
	if t.Check.Secure {
		if conn, found, err = p.handshake(ctx, conn, t); err != nil {
			return found, err
		}
	}
	answer, err := call2(conn, grpcFields(t, p.network.agent), grpcRequest(t.Check.Service))
	if err == nil {
		found.text, err = judgeGRPC(answer)
	}
	return found, err
}

func (p grpcProbe) handshake(ctx context.Context, conn net.Conn, t Target) (net.Conn, finding, error) {
	return httpProbe{network: p.network, secure: true}.handshake(ctx, conn, t.speaking2())
}

// speaking2 is t with a check that wants HTTP/2.
func (t Target) speaking2() Target {
	t.Check.HTTP2 = true
	return t
}

// grpcFields is the request's header (gRPC over HTTP/2, "Requests").
func grpcFields(t Target, agent string) []hpack.HeaderField {
	scheme := "http"
	if t.Check.Secure {
		scheme = "https"
	}
	return []hpack.HeaderField{
		{Name: ":method", Value: http.MethodPost}, {Name: ":scheme", Value: scheme},
		{Name: ":path", Value: "/grpc.health.v1.Health/Check"}, {Name: ":authority", Value: hostHeader(t)},
		{Name: "grpc-timeout", Value: strconv.FormatInt(min(t.Check.timeout().Milliseconds(), 99999999), 10) + "m"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}, {Name: "user-agent", Value: agent},
	}
}

// grpcRequest is a HealthCheckRequest with its length in front.
func grpcRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), service)
	}
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(body, message...)
}

// judgeGRPC reads what a server says of its health. The status stands in the
// trailers, or, when there is no message, in the header ("Trailers-Only").
func judgeGRPC(a *answer2) (string, error) {
	switch {
	case a.status != http.StatusOK:
		return "", fmt.Errorf("answer is not gRPC: HTTP status %d", a.status)
	case !strings.HasPrefix(a.header.Get("content-type"), "application/grpc"):
		return "", errors.New("answer is not gRPC: its content type is another")
	}
	body, err := io.ReadAll(io.LimitReader(a, maxBody+1))
	switch {
	case err != nil:
		return "", &failure{reading, err}
	case len(body) > maxBody:
		return "", errors.New("answer is not valid gRPC: longer than 64 KiB")
	}
	h := a.trailer
	if h == nil {
		h = a.header
	}
	if err := grpcStatus(h); err != nil {
		return "", err
	}
	health, err := grpcHealth(body)
	if err != nil {
		return "", fmt.Errorf("answer is not valid gRPC: %w", err)
	}
	if health != serving {
		return "", fmt.Errorf("health is %s", healthText(health))
	}
	return "health is SERVING", nil
}

func grpcStatus(h http.Header) error {
	code := h.Get("grpc-status")
	switch code {
	case "0":
		return nil
	case "":
		return errors.New("answer is not valid gRPC: no grpc-status")
	case "5": // NOT_FOUND
		return errors.New("the server knows no service of that name")
	case "12": // UNIMPLEMENTED
		return errors.New("the server has no health service (grpc.health.v1)")
	}
	return fmt.Errorf("gRPC status %s: %s", shorten(code, 10), shorten(h.Get("grpc-message"), 100))
}

// serving is ServingStatus.SERVING.
const serving = 1

var healths = [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"} // constant; by ServingStatus

func healthText(n uint64) string {
	if n < uint64(len(healths)) {
		return healths[n]
	}
	return strconv.FormatUint(n, 10)
}

// grpcHealth reads the status out of a HealthCheckResponse with its length in
// front. Fields that we do not know are passed over.
func grpcHealth(body []byte) (health uint64, err error) {
	if len(body) < 5 || body[0] != 0 || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-5) {
		return 0, errors.New("not one uncompressed message")
	}
	for b := body[5:]; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		b = b[n:]
		if num == 1 && typ == protowire.VarintType {
			health, n = protowire.ConsumeVarint(b)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return health, nil
}
