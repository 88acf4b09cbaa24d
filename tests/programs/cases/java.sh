# shellcheck shell=bash disable=SC2034,SC2154
# java: javac, then eight threads with heap, direct buffers and zlib streams (libc's malloc).
needs="java javac"
packages="default-jdk-headless"

prepare() {
    cat >Work.java <<'END'
import java.nio.ByteBuffer;
import java.util.*;
import java.util.concurrent.*;
import java.util.zip.*;

public class Work {
    static long churn(int seed, int rounds) throws DataFormatException {
        CRC32 sum = new CRC32();
        Map<String, List<Integer>> words = new TreeMap<>();
        for (int n = 0; n < rounds; n++) {
            words.computeIfAbsent("w" + (n * 7919L + seed) % 601, k -> new ArrayList<>()).add(n);
            if (n % 50 != 0) continue;
            byte[] text = words.toString().substring(0, Math.min(4000, words.toString().length())).getBytes();
            Deflater deflater = new Deflater(1 + n / 50 % 9);
            deflater.setInput(text);
            deflater.finish();
            byte[] packed = new byte[8192], back = new byte[8192];
            int length = deflater.deflate(packed);
            deflater.end();
            Inflater inflater = new Inflater();
            inflater.setInput(packed, 0, length);
            sum.update(back, 0, inflater.inflate(back));
            inflater.end();
            ByteBuffer direct = ByteBuffer.allocateDirect(100 + n % 70000);
            direct.putInt(0, n);
            sum.update(direct.getInt(0));
        }
        return sum.getValue();
    }

    public static void main(String[] args) throws Exception {
        int rounds = Integer.parseInt(args[0]);
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<Long>> results = new ArrayList<>();
        for (int seed = 0; seed < 32; seed++) {
            int mine = seed;
            results.add(pool.submit(() -> churn(mine, rounds)));
        }
        for (Future<Long> result : results) System.out.println(result.get());
        pool.shutdown();
        for (int n = 0; n < 500; n++) {
            Thread thread = new Thread(() -> ByteBuffer.allocateDirect(1000));
            thread.start();
            thread.join();
        }
        System.exit(5 - 5);
    }
}
END
}

main() {
    javac -J-XX:-UsePerfData -d . "$in/Work.java"
    cat Work.class
    java -XX:-UsePerfData -Xmx256m -cp . Work "$(scaled 10000)"
}
