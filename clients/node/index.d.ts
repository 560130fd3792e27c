/// <reference types="node" />

export interface ILog {
    id: string;
    /** An object, as its JSON says; a Buffer if one was committed, or asked for with `buffers`. */
    body: object;
}

export interface ICommitLog {
    topic: string;
    /** Any object or array, which is stored as its JSON; or a Buffer, which is stored as it is. */
    body: object;
}

export interface IProc {
    [index: string]: string | number | undefined;
    name: string;
    topic: string;
    /** "active" or "disabled" */
    status: string;
    createdAt: number;
    /** "id..id", or "" */
    lastClaimedRange: string;
    previousClaimedRange: string;
    lastAckedRange: string;
    /** Unix milliseconds, 0: never. */
    lastClaimedAt: number;
    lastAckedAt: number;
    offset: string;
    reclaims: number;
    maxReclaims: number;
    reclaimTimeout: number;
    onMaxReclaimsReached: string;
}

export interface IKeys {
    key: string;
    cert: string;
    ca: string;
}

export interface IAddress {
    /** The node's name among those of this user on this machine; default "default". */
    namespace?: string;
    tcp?: {
        host: string;
        port: number;
    };
    /** ipc:///path or tcp://host:port */
    socket?: string;
}

export interface ISpawnOptions extends IAddress {
    tls?: {
        server: IKeys;
        client: IKeys;
    };
    /** Keep everything in memory. */
    memory?: boolean;
    /** The store's folder, if memory is not set; default "./pipeproc_data". */
    location?: string;
    /** Processes that run systemProcs; default 1, 0: none. */
    workers?: number;
    /** Processors that run at once for each of them; default 1. */
    workerConcurrency?: number;
    /** Replace a worker after so many runs of processors; default 0: never. */
    workerRestartAfter?: number;
    gc?: {
        minPruneTime?: number;
        interval?: number;
    } | boolean;
    /** The pipeproc program; default: PIPEPROC_BINARY, or the one in PATH. */
    binary?: string;
    /** Allow tcp without tls where other machines can reach it: they may then do everything. */
    allowPlain?: boolean;
    /** Milliseconds for which a call waits for a node that is gone; default 30000. */
    retryFor?: number;
    /** Milliseconds without a word or an answer to a ping, while calls wait, after which a connection is lost; default 10000. */
    deadAfter?: number;
}

export interface IConnectOptions extends IAddress {
    tls?: IKeys | false;
    /** Milliseconds within which the node must answer; default 1000. */
    timeout?: number;
    isWorker?: boolean;
    retryFor?: number;
    deadAfter?: number;
}

export interface IRangeOptions {
    /** An id, a time in milliseconds, or ":" and a sequence number. */
    start?: string;
    end?: string;
    limit?: number;
    exclusive?: boolean;
    /** Give all bodies as Buffers, as they are stored. */
    buffers?: boolean;
}

export interface IProcOptions {
    name: string;
    /** ">" the first log, "$>" the first new one, or as in a range: the first one after it. */
    offset: string;
    /** How many logs to claim at most; default 1, negative: all. */
    count?: number;
    /** Default 10, -1: no limit. */
    maxReclaims?: number;
    /** Milliseconds; default 10000, -1: never. */
    reclaimTimeout?: number;
    /** "disable" or "continue" */
    onMaxReclaimsReached?: string;
    buffers?: boolean;
}

export type Done = (err?: Error | null | unknown, result?: object | object[] | unknown) => void;

/** Gives its result to done, or by a promise. */
export type Processor = (log: any, done: Done) => unknown;

export interface ISystemProcOptions {
    name: string;
    offset: string;
    count?: number;
    maxReclaims?: number;
    reclaimTimeout?: number;
    onMaxReclaimsReached?: string;
    from: string | string[];
    to?: string | string[];
    /** The path of a file that exports a function, or a function that needs nothing from around it. */
    processor: string | Processor;
    /** Take the place of a definition that differs. */
    replace?: boolean;
}

export type ChangesCb = (
    this: ILiveProc, err: null | Error, result: ILog | ILog[] | null, nextCb: () => void
) => void | Promise<unknown>;

export interface IAckCommitted {
    ackedLogId: string;
    id: string | string[];
}

export interface ILiveProcOptions {
    topic: string;
    /** "all" begins with the first log, "live" with the first one committed after liveProc has returned. */
    mode: "live" | "all";
    count?: number;
    /** With a name the proc stays when it is cancelled, and goes on with the next one of the name. */
    name?: string;
    maxReclaims?: number;
    reclaimTimeout?: number;
    onMaxReclaimsReached?: string;
    buffers?: boolean;
}

export interface ILiveProc {
    changes: (cb: ChangesCb) => ILiveProc;
    inspect: () => Promise<IProc>;
    destroy: () => Promise<IProc>;
    disable: () => Promise<IProc>;
    resume: () => Promise<IProc>;
    reclaim: () => Promise<string>;
    ack: () => Promise<string>;
    ackCommit: (commitLog: ICommitLog | ICommitLog[]) => Promise<IAckCommitted>;
    cancel: () => Promise<void>;
    /** In place of changes: each step comes when what came before is acknowledged. */
    [Symbol.asyncIterator](): AsyncIterableIterator<ILog | ILog[]>;
}

export interface IPipeProcClient {
    /** There while there is a node. */
    pipeProcNode?: {};
    commit(commitLog: ICommitLog | ICommitLog[]): Promise<string | string[]>;
    spawn(options?: ISpawnOptions): Promise<string>;
    connect(options?: IConnectOptions): Promise<string>;
    shutdown(): Promise<string>;
    range(topic: string, options?: IRangeOptions): Promise<ILog[]>;
    revrange(topic: string, options?: IRangeOptions): Promise<ILog[]>;
    length(topic: string): Promise<number>;
    proc(topic: string, options: IProcOptions): Promise<null | undefined | ILog | ILog[]>;
    availableProc(procList: (IProcOptions & {topic: string})[]): Promise<undefined | {
        procName?: string;
        log?: ILog | ILog[];
    }>;
    systemProc(options: ISystemProcOptions): Promise<IProc | IProc[]>;
    ack(procName: string): Promise<string>;
    ackCommit(procName: string, commitLog: ICommitLog | ICommitLog[]): Promise<IAckCommitted>;
    inspectProc(procName: string): Promise<IProc>;
    destroyProc(procName: string): Promise<IProc>;
    disableProc(procName: string): Promise<IProc>;
    resumeProc(procName: string): Promise<IProc>;
    reclaimProc(procName: string): Promise<string>;
    liveProc(options: ILiveProcOptions): ILiveProc;
    waitForProcs(procs?: string | string[]): Promise<void>;
    /** range, or revrange with reverse, for a loop: the topic does not have to fit into memory. */
    iterate(topic: string, options?: IRangeOptions & {reverse?: boolean}): AsyncIterableIterator<ILog>;
    /** The logs of a topic from a sequence number on, and then those that come. */
    follow(topic: string, options?: {from?: number; buffers?: boolean}): AsyncIterableIterator<ILog>;
}

export declare function PipeProc(): IPipeProcClient;
