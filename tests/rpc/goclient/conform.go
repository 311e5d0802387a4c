package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const mebibyte = 1 << 20

type checker struct {
	socket  string
	conn    *grpc.ClientConn
	runtime runtimeapi.RuntimeServiceClient
}

type check struct {
	name string
	run  func(context.Context) error
}

func conform(socket string) error {
	conn, err := dial(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := &checker{socket: socket, conn: conn, runtime: runtimeapi.NewRuntimeServiceClient(conn)}
	checks := []check{
		{"all methods reach the server by name", c.allMethods},
		{"an unknown method and an unknown service are named", c.unknownNames},
		{"codes 1 to 16 with UTF-8 messages", c.statusCodes},
		{"a plain error is UNKNOWN with its text", c.plainError},
		{"lists of 0 to 12000 containers", c.lists},
		{"responses of 1 to 15 MiB, 17 MiB is refused", c.largeResponses},
		{"requests of 1 to 15 MiB, 17 MiB is refused", c.largeRequests},
		{"a compressed request is refused with what is accepted", c.compression},
		{"a deadline ends the call and the handler", c.deadline},
		{"a cancel ends the handler", c.cancel},
		{"a disconnect ends the handlers", c.disconnect},
		{"an event stream delivers and ends with a cancel", c.events},
		{"a batch stream ends by itself", c.batches},
		{"300 parallel streams", c.parallelStreams},
		{"200 connections", c.connections},
		{"2000 cancelled calls do not end the connection", c.manyCancels},
		{"keepalive pings on an idle connection are answered", c.keepalive},
	}
	failed := 0
	for _, check := range checks {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		started := time.Now()
		err := check.run(ctx)
		cancel()
		if err != nil {
			failed++
			fmt.Printf("FAIL %s: %v\n", check.name, err)
			continue
		}
		fmt.Printf("ok %s (%d ms)\n", check.name, time.Since(started).Milliseconds())
	}
	if info, err := c.info(context.Background()); err == nil {
		fmt.Printf("rss %d\n", info["rss"])
	}
	fmt.Printf("%d checks, %d failed\n", len(checks), failed)
	if failed > 0 {
		return errors.New("conformance failed")
	}
	return nil
}

// info is what the test server counts.
func (c *checker) info(ctx context.Context) (map[string]int, error) {
	reply, err := c.runtime.Status(ctx, &runtimeapi.StatusRequest{})
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for key, value := range reply.Info {
		counts[key], _ = strconv.Atoi(value)
	}
	return counts, nil
}

// until waits for the server's counts to satisfy a condition.
func (c *checker) until(ctx context.Context, what string, done func(map[string]int) bool) error {
	var last map[string]int
	for range 200 {
		counts, err := c.info(ctx)
		if err != nil {
			return err
		}
		if done(counts) {
			return nil
		}
		last = counts
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s: the server counts %v", what, last)
}

func expectCode(err error, code codes.Code, part string) error {
	if status.Code(err) != code {
		return fmt.Errorf("expected %v, got %v", code, err)
	}
	if message := status.Convert(err).Message(); !strings.Contains(message, part) {
		return fmt.Errorf("expected a message with %q, got %q", part, message)
	}
	return nil
}

func (c *checker) allMethods(ctx context.Context) error {
	implemented := map[string]bool{
		"Version": true, "ListContainers": true, "ExecSync": true, "StartContainer": true, "StopContainer": true,
		"Status": true, "GetContainerEvents": true, "StreamContainers": true,
	}
	count := 0
	for _, service := range []grpc.ServiceDesc{runtimeapi.RuntimeService_ServiceDesc, runtimeapi.ImageService_ServiceDesc} {
		for _, method := range service.Methods {
			count++
			path := service.ServiceName + "/" + method.MethodName
			err := c.conn.Invoke(ctx, "/"+path, &emptypb.Empty{}, &emptypb.Empty{})
			if implemented[method.MethodName] {
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
			} else if err := expectCode(err, codes.Unimplemented, path); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		for _, method := range service.Streams {
			count++
			path := service.ServiceName + "/" + method.StreamName
			if err := c.oneFromStream(ctx, &method, path, implemented[method.StreamName]); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	if count != 43 {
		return fmt.Errorf("expected 43 methods in the contract, found %d", count)
	}
	return nil
}

func (c *checker) oneFromStream(parent context.Context, method *grpc.StreamDesc, path string, implemented bool) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	stream, err := c.conn.NewStream(ctx, method, "/"+path)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&emptypb.Empty{}); err != nil && err != io.EOF {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	err = stream.RecvMsg(&emptypb.Empty{})
	if implemented {
		return err
	}
	return expectCode(err, codes.Unimplemented, path)
}

func (c *checker) unknownNames(ctx context.Context) error {
	err := c.conn.Invoke(ctx, "/runtime.v1.RuntimeService/Fly", &emptypb.Empty{}, &emptypb.Empty{})
	if err := expectCode(err, codes.Unimplemented, "unknown method Fly of service runtime.v1.RuntimeService"); err != nil {
		return err
	}
	err = c.conn.Invoke(ctx, "/grpc.health.v1.Health/Check", &emptypb.Empty{}, &emptypb.Empty{})
	return expectCode(err, codes.Unimplemented, "unknown service grpc.health.v1.Health")
}

func (c *checker) statusCodes(ctx context.Context) error {
	for code := codes.Code(1); code <= 16; code++ {
		_, err := c.runtime.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: fmt.Sprintf("err:%d", code)})
		if err := expectCode(err, code, "no such contaïner % \n 容器"); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) plainError(ctx context.Context) error {
	_, err := c.runtime.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: "throw"})
	return expectCode(err, codes.Unknown, "a plain error: grüße")
}

func (c *checker) lists(ctx context.Context) error {
	for _, count := range []int{0, 1, 10, 100, 1000, 12000} {
		for _, plain := range []bool{false, true} {
			reply, err := c.runtime.ListContainers(ctx, listRequest(count, plain))
			if err != nil {
				return err
			}
			if len(reply.Containers) != count {
				return fmt.Errorf("asked for %d containers, got %d", count, len(reply.Containers))
			}
			if count > 0 && len(reply.Containers[count-1].Annotations) != 8 {
				return errors.New("the last container came incomplete")
			}
		}
	}
	return nil
}

func (c *checker) largeResponses(ctx context.Context) error {
	for size := mebibyte; size <= 15*mebibyte; size += mebibyte {
		reply, err := c.runtime.ExecSync(ctx, &runtimeapi.ExecSyncRequest{Cmd: []string{strconv.Itoa(size)}})
		if err != nil {
			return err
		}
		if len(reply.Stdout) != size || bytes.Count(reply.Stdout, []byte{'x'}) != size {
			return fmt.Errorf("%d bytes came back as %d", size, len(reply.Stdout))
		}
	}
	_, err := c.runtime.ExecSync(ctx, &runtimeapi.ExecSyncRequest{Cmd: []string{strconv.Itoa(17 * mebibyte)}})
	return expectCode(err, codes.ResourceExhausted, "limit of 16777216")
}

func (c *checker) largeRequests(ctx context.Context) error {
	for size := mebibyte; size <= 15*mebibyte; size += mebibyte {
		reply, err := c.runtime.ExecSync(ctx, &runtimeapi.ExecSyncRequest{Cmd: []string{"1", strings.Repeat("y", size)}})
		if err != nil {
			return err
		}
		if string(reply.Stderr) != strconv.Itoa(size+1) {
			return fmt.Errorf("%d bytes arrived as %s", size+1, reply.Stderr)
		}
	}
	_, err := c.runtime.ExecSync(ctx, &runtimeapi.ExecSyncRequest{Cmd: []string{"1", strings.Repeat("y", 17*mebibyte)}})
	if err := expectCode(err, codes.ResourceExhausted, "limit of 16777216"); err != nil {
		return err
	}
	_, err = c.runtime.Version(ctx, &runtimeapi.VersionRequest{})
	return err
}

func (c *checker) compression(ctx context.Context) error {
	_, err := c.runtime.Version(ctx, &runtimeapi.VersionRequest{}, grpc.UseCompressor(gzip.Name))
	return expectCode(err, codes.Unimplemented, "grpc-encoding gzip")
}

func (c *checker) deadline(ctx context.Context) error {
	before, err := c.info(ctx)
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err = c.runtime.StopContainer(short, &runtimeapi.StopContainerRequest{Timeout: 20_000})
	if err := expectCode(err, codes.DeadlineExceeded, ""); err != nil {
		return err
	}
	if took := time.Since(started); took > 2*time.Second {
		return fmt.Errorf("a deadline of 50 ms took %v", took)
	}
	return c.until(ctx, "after a deadline", func(counts map[string]int) bool {
		return counts["cancelled"] == before["cancelled"]+1 && counts["waiting"] == 0
	})
}

// startWaiting begins count calls that wait long, and returns when all are in their handlers.
func (c *checker) startWaiting(ctx context.Context, client runtimeapi.RuntimeServiceClient, count int) (*sync.WaitGroup, error) {
	var group sync.WaitGroup
	for range count {
		group.Go(func() {
			client.StopContainer(ctx, &runtimeapi.StopContainerRequest{Timeout: 60_000})
		})
	}
	return &group, c.until(context.Background(), "waiting calls", func(counts map[string]int) bool { return counts["waiting"] == count })
}

func (c *checker) cancel(ctx context.Context) error {
	before, err := c.info(ctx)
	if err != nil {
		return err
	}
	call, cancel := context.WithCancel(ctx)
	group, err := c.startWaiting(call, c.runtime, 20)
	cancel()
	group.Wait()
	if err != nil {
		return err
	}
	return c.until(ctx, "after a cancel", func(counts map[string]int) bool {
		return counts["cancelled"] == before["cancelled"]+20 && counts["waiting"] == 0
	})
}

func (c *checker) disconnect(ctx context.Context) error {
	before, err := c.info(ctx)
	if err != nil {
		return err
	}
	conn, err := dial(c.socket)
	if err != nil {
		return err
	}
	group, err := c.startWaiting(ctx, runtimeapi.NewRuntimeServiceClient(conn), 20)
	conn.Close()
	group.Wait()
	if err != nil {
		return err
	}
	return c.until(ctx, "after a disconnect", func(counts map[string]int) bool {
		return counts["cancelled"] == before["cancelled"]+20 && counts["waiting"] == 0
	})
}

func (c *checker) events(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	stream, err := c.runtime.GetContainerEvents(ctx, &runtimeapi.GetEventsRequest{})
	if err != nil {
		return err
	}
	for number := range 100 {
		event, err := stream.Recv()
		if err != nil {
			return err
		}
		if event.ContainerId != strconv.Itoa(number) {
			return fmt.Errorf("event %d came as %s", number, event.ContainerId)
		}
	}
	cancel()
	return c.until(parent, "after the event stream", func(counts map[string]int) bool { return counts["streams"] == 0 })
}

func (c *checker) batches(ctx context.Context) error {
	stream, err := c.runtime.StreamContainers(ctx, &runtimeapi.StreamContainersRequest{})
	if err != nil {
		return err
	}
	count := 0
	for {
		batch, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		count += len(batch.Containers)
	}
	if count != 1000 {
		return fmt.Errorf("the stream had %d containers", count)
	}
	return nil
}

func (c *checker) parallelStreams(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	failures := make(chan error, 300)
	for range 300 {
		go func() {
			stream, err := c.runtime.GetContainerEvents(ctx, &runtimeapi.GetEventsRequest{})
			for count := 0; err == nil && count < 10; count++ {
				_, err = stream.Recv()
			}
			failures <- err
		}()
	}
	for range 300 {
		if err := <-failures; err != nil {
			return err
		}
	}
	if _, err := c.runtime.Version(ctx, &runtimeapi.VersionRequest{}); err != nil {
		return err
	}
	cancel()
	return c.until(parent, "after 300 streams", func(counts map[string]int) bool { return counts["streams"] == 0 })
}

func (c *checker) connections(ctx context.Context) error {
	failures := make(chan error, 200)
	var done sync.WaitGroup
	done.Add(1)
	for range 200 {
		go func() {
			conn, err := dial(c.socket)
			if err == nil {
				defer conn.Close()
				client := runtimeapi.NewRuntimeServiceClient(conn)
				for count := 0; err == nil && count < 5; count++ {
					_, err = client.Version(ctx, &runtimeapi.VersionRequest{}, grpc.WaitForReady(true))
				}
			}
			failures <- err
			done.Wait()
		}()
	}
	defer done.Done()
	for range 200 {
		if err := <-failures; err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) manyCancels(ctx context.Context) error {
	for range 20 {
		call, cancel := context.WithCancel(ctx)
		group, err := c.startWaiting(call, c.runtime, 100)
		cancel()
		group.Wait()
		if err != nil {
			return err
		}
		if err := c.until(ctx, "after 100 cancels", func(counts map[string]int) bool { return counts["waiting"] == 0 }); err != nil {
			return err
		}
		// The limit is on resets per second; a client that does this without a pause is an attacker.
		time.Sleep(300 * time.Millisecond)
	}
	return nil
}

func (c *checker) keepalive(ctx context.Context) error {
	conn, err := dial(c.socket, withKeepalive())
	if err != nil {
		return err
	}
	defer conn.Close()
	client := runtimeapi.NewRuntimeServiceClient(conn)
	if _, err := client.Version(ctx, &runtimeapi.VersionRequest{}); err != nil {
		return err
	}
	state := conn.GetState()
	// Two pings go out in this time; without an answer the connection would leave READY after two seconds more.
	wait, cancel := context.WithTimeout(ctx, 25*time.Second)
	defer cancel()
	if conn.WaitForStateChange(wait, state) {
		return fmt.Errorf("the connection went from %v to %v", state, conn.GetState())
	}
	_, err = client.Version(ctx, &runtimeapi.VersionRequest{})
	return err
}
