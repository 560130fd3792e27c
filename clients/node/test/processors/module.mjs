export default async function(log) {
    return {n: log.body.n * 10};
}
