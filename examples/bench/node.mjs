// The peer of the dispatch bench: onnxruntime-node behind node:http.
import http from "node:http";
import { InferenceSession, Tensor } from "onnxruntime-node";

const session = await InferenceSession.create("identity.onnx", { intraOpNumThreads: 1 });
const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const body = Buffer.concat(parts);
    const floats = new Float32Array(body.buffer.slice(body.byteOffset, body.byteOffset + 64));
    const { y } = await session.run({ x: new Tensor("float32", floats, [16]) });
    response.end(Buffer.from(y.data.buffer));
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
