import pipeproc from "./index.js";

export const PipeProc = pipeproc.PipeProc;
export default pipeproc;
