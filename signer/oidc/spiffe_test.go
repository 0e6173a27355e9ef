package oidc

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// workloadAPI are the messages of the call, as the SPIFFE Workload API has
// them, for an implementation of protocol buffers that is not ours.
var workloadAPI = func() protoreflect.FileDescriptor {
	field := func(name string, number int32, repeated bool, message string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: &name, Number: &number, Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if repeated {
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if message != "" {
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), &message
		}
		return f
	}
	message := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: &name, Field: fields}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("workloadapi.proto"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			message("JWTSVIDRequest", field("audience", 1, true, ""), field("spiffe_id", 2, false, "")),
			message("JWTSVIDResponse", field("svids", 1, true, ".JWTSVID")),
			message("JWTSVID", field("spiffe_id", 1, false, ""), field("svid", 2, false, ""), field("hint", 3, false, "")),
		},
	}, nil)
	if err != nil {
		panic(err)
	}
	return file
}()

// newMessage returns an empty message by its name.
func newMessage(name protoreflect.Name) *dynamicpb.Message {
	return dynamicpb.NewMessage(workloadAPI.Messages().ByName(name))
}

// getString and setString get and set a field that is a string.
func getString(m protoreflect.Message, name protoreflect.Name) string {
	return m.Get(m.Descriptor().Fields().ByName(name)).String()
}

func setString(m protoreflect.Message, name protoreflect.Name, value string) {
	m.Set(m.Descriptor().Fields().ByName(name), protoreflect.ValueOfString(value))
}

// svidList returns the field svids of an answer.
func svidList(m *dynamicpb.Message) protoreflect.List {
	return m.Mutable(m.Descriptor().Fields().ByName("svids")).List()
}

// svidAnswer returns the answer with the SVIDs.
func svidAnswer(svids ...jwtSVID) *dynamicpb.Message {
	m := newMessage("JWTSVIDResponse")
	for _, svid := range svids {
		one := newMessage("JWTSVID")
		setString(one, "spiffe_id", svid.id)
		setString(one, "svid", svid.token)
		setString(one, "hint", "internal")
		svidList(m).Append(protoreflect.ValueOfMessage(one))
	}
	return m
}

// listenUnix listens on a Unix domain socket, whose name has to be short.
func listenUnix(t *testing.T) (net.Listener, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "spiffe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "agent.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return listener, "unix://" + filepath.ToSlash(path)
}

// serveWorkloadAPI serves the Workload API with gRPC's own server. answer is
// asked for the audiences of a call.
func serveWorkloadAPI(t *testing.T, listener net.Listener, answer func(audiences []string) (*dynamicpb.Message, error)) {
	t.Helper()
	fetch := func(_ any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if md, _ := grpcmetadata.FromIncomingContext(ctx); strings.Join(md.Get("workload.spiffe.io"), " ") != "true" {
			return nil, status.Error(codes.InvalidArgument, "security header missing from request")
		}
		request := newMessage("JWTSVIDRequest")
		if err := read(request); err != nil {
			return nil, err
		}
		var audiences []string
		list := request.Get(request.Descriptor().Fields().ByName("audience")).List()
		for i := range list.Len() {
			audiences = append(audiences, list.Get(i).String())
		}
		if id := getString(request, "spiffe_id"); id != "" || len(request.GetUnknown()) > 0 {
			t.Errorf("got a request for %q, want one for any identity", id)
		}
		return answer(audiences)
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "SpiffeWorkloadAPI", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "FetchJWTSVID", Handler: fetch}},
	}, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); err != nil {
			t.Errorf("serving the Workload API: %v", err)
		}
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
}

// spiffeAt returns the source for an endpoint.
func spiffeAt(endpoint string) spiffe {
	return spiffe{surroundings(map[string]string{"SPIFFE_ENDPOINT_SOCKET": endpoint}, nil)}
}

// spiffeServer returns the source for an endpoint that answers so.
func spiffeServer(t *testing.T, answer func(audiences []string) (*dynamicpb.Message, error)) spiffe {
	t.Helper()
	listener, endpoint := listenUnix(t)
	serveWorkloadAPI(t, listener, answer)
	return spiffeAt(endpoint)
}

const workload = "spiffe://example.org/ns/default/sa/build"

// svidToken returns a token for the workload.
func svidToken(t *testing.T, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iss": "https://oidc.example.org", "sub": workload, "aud": []string{"sigstore"}}
	for name, value := range claims {
		all[name] = value
	}
	return testToken(t, all)
}

func TestSPIFFE(t *testing.T) {
	token := svidToken(t, nil)
	answer := func(audiences []string) (*dynamicpb.Message, error) {
		if got := strings.Join(audiences, ", "); got != "sigstore" {
			t.Errorf("got audience %q, want sigstore", got)
		}
		// The first of several is the default.
		return svidAnswer(jwtSVID{workload, token}, jwtSVID{"spiffe://example.org/other", svidToken(t, map[string]any{"sub": "spiffe://example.org/other"})}), nil
	}
	s := spiffeServer(t, answer)
	checkToken(t, s, token)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveWorkloadAPI(t, listener, answer)
	overTCP := spiffeAt("tcp://" + listener.Addr().String())
	checkToken(t, overTCP, token)
	if overTCP.Key() == s.Key() {
		t.Error("another endpoint: got the same key")
	}
	if err := spiffeAt("").Available(); err == nil {
		t.Error("no endpoint: got available")
	}
}

func TestSPIFFERefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		code    codes.Code
		message string
		want    string
	}{
		"no identity":   {codes.PermissionDenied, "no identity issued", "it knows no identity for this process (permission denied)"},
		"no tokens":     {codes.Unimplemented, "", "it gives no JWT-SVIDs (unimplemented)"},
		"starting":      {codes.Unavailable, "", "it is not ready (unavailable)"},
		"broken":        {codes.Internal, "könnte\n100% sein", "gRPC status 13: könnte 100% sein"},
		"tells a token": {codes.Unknown, "bad " + testToken(t, nil), "gRPC status 2: bad [redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := spiffeServer(t, func([]string) (*dynamicpb.Message, error) { return nil, status.Error(tt.code, tt.message) })
			checkRefused(t, s, tt.want)
			checkRefused(t, s, "SPIFFE Workload API at ")
		})
	}
}

func TestSPIFFETokens(t *testing.T) {
	other := "spiffe://example.org/other"
	for name, tt := range map[string]struct {
		answer *dynamicpb.Message
		want   string
	}{
		"none":        {svidAnswer(), "no token for this process"},
		"no SPIFFE":   {svidAnswer(jwtSVID{"alice", svidToken(t, nil)}), "a token for no SPIFFE ID"},
		"empty":       {svidAnswer(jwtSVID{workload, ""}), "a SPIFFE ID without a token"},
		"too long":    {svidAnswer(jwtSVID{workload, strings.Repeat("a", maxToken+1)}), "a SPIFFE ID without a token, or with one that is none"},
		"not a token": {svidAnswer(jwtSVID{workload, "s3cret"}), "the identity token is not a JSON web token"},
		"audience":    {svidAnswer(jwtSVID{workload, svidToken(t, map[string]any{"aud": "x"})}), `for audience "x", want "sigstore"`},
		"another's":   {svidAnswer(jwtSVID{workload, svidToken(t, map[string]any{"sub": other})}), `the token is not one for "` + workload + `"`},
		"huge":        {svidAnswer(jwtSVID{workload, strings.Repeat("a", maxSVIDs)}), "the answer is longer than 1048576 bytes"},
		// A token without an issuer is what an endpoint gives that nobody set one for.
		"no issuer": {svidAnswer(jwtSVID{workload, svidToken(t, map[string]any{"iss": nil})}), "the identity token names no issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			checkRefused(t, spiffeServer(t, func([]string) (*dynamicpb.Message, error) { return tt.answer, nil }), tt.want)
		})
	}
}

func TestSPIFFEEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	s := spiffeServer(t, func([]string) (*dynamicpb.Message, error) {
		cancel()
		<-over
		return svidAnswer(), nil
	})
	_, err := s.Grant(ctx)
	close(over)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	checkError(t, err, "context canceled")
}

func TestSPIFFENobodyThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "agent.sock")
	if runtime.GOOS == "windows" {
		missing = "/nowhere/agent.sock"
	}
	s := spiffeAt("unix://" + missing)
	if err := s.Available(); err != nil {
		t.Errorf("Available: got %v, want nil: it was set", err)
	}
	checkRefused(t, s, "SPIFFE Workload API at "+missing+": dial unix "+missing)
}
