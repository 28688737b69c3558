// Ollama's dialect, through the package that Ollama's own command line uses.
//
//	go run ollama_client.go ADDRESS MODEL
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ollama/ollama/api"
)

const made = "mlxk-acceptance/go:v1"

var (
	ctx    = context.Background()
	greedy = map[string]any{"temperature": 0, "num_predict": 24}
	whole  = new(bool)
)

func must(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func check(holds bool, found ...any) {
	if !holds {
		log.Output(2, fmt.Sprintf("%+v", found))
		os.Exit(1)
	}
}

// refused checks the status of an error, and words that clients look for.
func refused(err error, status int, words ...string) {
	var found api.StatusError
	if !errors.As(err, &found) || found.StatusCode != status {
		log.Output(2, fmt.Sprintf("expected %d: %v", status, err))
		os.Exit(1)
	}
	for _, word := range words {
		if !strings.Contains(found.ErrorMessage, word) {
			log.Output(2, fmt.Sprintf("expected %q: %v", word, found.ErrorMessage))
			os.Exit(1)
		}
	}
}

func generate(client *api.Client, request api.GenerateRequest) (text string, last api.GenerateResponse, err error) {
	err = client.Generate(ctx, &request, func(piece api.GenerateResponse) error {
		text += piece.Response
		last = piece
		return nil
	})
	return text, last, err
}

func chat(client *api.Client, request api.ChatRequest) (text string, last api.ChatResponse, err error) {
	err = client.Chat(ctx, &request, func(piece api.ChatResponse) error {
		text += piece.Message.Content
		last = piece
		return nil
	})
	return text, last, err
}

func ask(content string) []api.Message {
	return []api.Message{{Role: "user", Content: content}}
}

func checkAnswers(client *api.Client, model string) {
	prompt := "Write a Python function that adds two numbers."
	text, last, err := generate(client, api.GenerateRequest{Model: model, Prompt: prompt, Options: greedy})
	must(err)
	check(last.Done && last.DoneReason == "length" && last.EvalCount == 24, last)
	check(last.TotalDuration >= last.EvalDuration && last.EvalDuration > 0 && len(last.Context) > 24, last)
	again, _, err := generate(client, api.GenerateRequest{Model: model, Prompt: prompt, Options: greedy, Stream: whole})
	must(err)
	check(again == text, again, text)
	_, further, err := generate(client, api.GenerateRequest{
		Model: model, Prompt: "And in Rust?", Context: last.Context, Options: greedy})
	must(err)
	check(further.PromptEvalCount > len(last.Context), further)
	same, end, err := chat(client, api.ChatRequest{Model: model, Messages: ask(prompt), Options: greedy})
	must(err)
	check(same == text && end.Done && !end.CreatedAt.IsZero(), same)
	logged, end, err := chat(client, api.ChatRequest{Model: model, Messages: ask(prompt), Options: greedy,
		Stream: whole, Logprobs: true, TopLogprobs: 3})
	must(err)
	check(logged == text && len(end.Logprobs) == 24 && len(end.Logprobs[0].TopLogprobs) == 3, end)
	one, single, err := generate(client, api.GenerateRequest{
		Model: model, Prompt: prompt, Options: map[string]any{"num_predict": 1}})
	must(err)
	check(one != "" && single.EvalCount == 1 && single.EvalDuration > 10*time.Microsecond, single)
}

func checkLongChats(client *api.Client, model string) {
	var messages []api.Message
	for range 30 {
		messages = append(messages, ask(strings.Repeat("word ", 40))...)
		messages = append(messages, api.Message{Role: "assistant", Content: "Yes."})
	}
	messages = append(messages, ask("Hello")...)
	small := map[string]any{"temperature": 0, "num_predict": 8, "num_ctx": 512}
	_, last, err := chat(client, api.ChatRequest{Model: model, Messages: messages, Options: small})
	must(err)
	check(last.Done && last.PromptEvalCount < 512, last)
	_, _, err = chat(client, api.ChatRequest{Model: model, Messages: messages, Options: small, Truncate: whole})
	refused(err, http.StatusBadRequest, "context", "exceed")
}

func checkRefusals(client *api.Client, model string) {
	_, _, err := chat(client, api.ChatRequest{Model: "nosuch", Messages: ask("x")})
	refused(err, http.StatusNotFound, "model 'nosuch' not found")
	tool := api.Tool{Type: "function", Function: api.ToolFunction{Name: "f"}}
	_, _, err = chat(client, api.ChatRequest{Model: model, Messages: ask("x"), Tools: api.Tools{tool}})
	refused(err, http.StatusBadRequest, model, "does not support tools")
	_, _, err = chat(client, api.ChatRequest{Model: model, Messages: ask("x"), Think: &api.ThinkValue{Value: true}})
	refused(err, http.StatusBadRequest, model, "does not support thinking")
	embedded, err := client.Embed(ctx, &api.EmbedRequest{Model: model, Input: "x"})
	check(err == nil && len(embedded.Embeddings) == 1, err)
	older, err := client.Embeddings(ctx, &api.EmbeddingRequest{Model: model, Prompt: "x"})
	check(err == nil && len(older.Embedding) == len(embedded.Embeddings[0]), err)
	err = client.Push(ctx, &api.PushRequest{Model: model}, func(api.ProgressResponse) error { return nil })
	refused(err, http.StatusNotImplemented, "push")
}

// checkAccount checks what a program asks about Ollama's services on the web.
func checkAccount(client *api.Client) {
	status, err := client.CloudStatusExperimental(ctx)
	must(err)
	check(status.Cloud.Disabled, status)
	_, err = client.Whoami(ctx)
	refused(err, http.StatusNotImplemented, "no accounts")
	refused(client.Signout(ctx), http.StatusNotImplemented, "no accounts")
	refused(client.Disconnect(ctx, "key"), http.StatusNotImplemented, "no accounts")
}

func checkModels(client *api.Client, model string) {
	list, err := client.List(ctx)
	must(err)
	check(len(list.Models) > 0, list)
	for _, listed := range list.Models {
		check(listed.Digest != "" && listed.Size > 0 && listed.Details.Family != "", listed)
		for _, request := range []api.ShowRequest{{Name: listed.Name}, {Model: listed.Name}} {
			shown, err := client.Show(ctx, &request)
			must(err)
			check(shown.Modelfile != "" && len(shown.ModelInfo) > 0 && !shown.ModifiedAt.IsZero(), shown)
		}
	}
	must(client.Pull(ctx, &api.PullRequest{Name: model}, func(api.ProgressResponse) error { return nil }))
	none := func(api.ProgressResponse) error { return nil }
	request := api.CreateRequest{Model: made, From: model, System: "You are a pirate.", License: []string{"Ours"},
		Parameters: map[string]any{"temperature": 0, "num_predict": 4, "num_gpu": 1},
		Messages:   ask("Hi")}
	must(client.Create(ctx, &request, none))
	_, last, err := chat(client, api.ChatRequest{Model: made, Messages: ask("x")})
	must(err)
	check(last.EvalCount <= 4 && last.Model == made, last)
	running, err := client.ListRunning(ctx)
	must(err)
	check(running.Models[0].Name == made && running.Models[0].ExpiresAt.After(time.Now()), running)
	must(client.Copy(ctx, &api.CopyRequest{Source: made, Destination: "mlxk-acceptance-go:v2"}))
	for _, name := range []string{made, "mlxk-acceptance-go:v2"} {
		must(client.Delete(ctx, &api.DeleteRequest{Model: name}))
		refused(client.Delete(ctx, &api.DeleteRequest{Name: name}), http.StatusNotFound, "not found")
	}
	blob := bytes.Repeat([]byte("not quite a model "), 200_000)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(blob))
	for range 2 {
		must(client.CreateBlob(ctx, digest, bytes.NewReader(blob)))
	}
	files := map[string]string{"model.gguf": digest}
	check(client.Create(ctx, &api.CreateRequest{Model: made, Files: files}, none) != nil)
}

func checkLoading(client *api.Client, model string) {
	_, loaded, err := generate(client, api.GenerateRequest{Model: model, KeepAlive: &api.Duration{Duration: time.Minute}})
	must(err)
	check(loaded.Done && loaded.DoneReason == "load", loaded)
	_, unloaded, err := generate(client, api.GenerateRequest{Model: model, KeepAlive: &api.Duration{}})
	must(err)
	check(unloaded.DoneReason == "unload", unloaded)
	running, err := client.ListRunning(ctx)
	must(err)
	// The server may have other models loaded.
	for _, one := range running.Models {
		check(!strings.HasPrefix(one.Name, model), running)
	}
}

func main() {
	log.SetFlags(log.Lshortfile)
	address, err := url.Parse(os.Args[1])
	must(err)
	client, model := api.NewClient(address, http.DefaultClient), os.Args[2]
	must(client.Heartbeat(ctx))
	version, err := client.Version(ctx)
	must(err)
	check(version != "", version)
	checkAnswers(client, model)
	checkLongChats(client, model)
	checkRefusals(client, model)
	checkAccount(client)
	checkModels(client, model)
	checkLoading(client, model)
	fmt.Fprintln(os.Stderr, "ollama (Go): all passed")
}
