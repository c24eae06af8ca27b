# SSLRequire in .htaccess: what reads files is refused when it is read, by every spelling (CVE-2026-59797); mistakes cost
# that request and nothing else; the requirements of the configuration stay in force.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use POSIX ();
use ModSSL::Httpd qw(is_stock);
use ModSSL::Client qw(:all);

my $h = ModSSL::Httpd->new(config => <<'CONF');
<Directory @htdocs@/narrow>
    SSLRequire %{REQUEST_URI} != "/narrow/secret.html"
    AllowOverride AuthConfig
</Directory>
<Directory @htdocs@/options>
    AllowOverride Options FileInfo Limit Indexes
</Directory>
<Directory @htdocs@/none>
    AllowOverride None
</Directory>
<Directory @htdocs@/listed>
    AllowOverride None
    AllowOverrideList SSLRequire
</Directory>
MaxKeepAliveRequests 0
<VirtualHost *:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
CONF
my $secret = $h->file('secret', "the secret\n");
for my $dir (qw(d d/below narrow options none listed)) {
    $h->file("htdocs/$dir/$_.html", "ok\n") for qw(index secret);
}
# Whoever opened this to read would wait for ever, and be found by whoever opens it to write.
my $fifo = $h->root . '/fifo';
POSIX::mkfifo($fifo, 0666) or die "mkfifo: $!";
chmod 0666, $fifo;
$h->start or die $h->why;

my $sock;
sub get {
    my ($path, $htaccess, $dir) = @_;
    $h->file("htdocs/$dir/.htaccess", "$htaccess\n") if defined $htaccess;
    for (1, 2) {
        $sock ||= tls_connect(port => $h->port, sni => 'rsa.test') or return "no TLS: $tls_error";
        my $r = http_get($sock, $path, 'rsa.test');
        return $r->{status} if $r;
        undef $sock;
    }
    return 'none';
}
sub status { my ($dir, $htaccess) = @_; return get("/$dir/", $htaccess, $dir) }

subtest 'files are out of reach' => sub {
    my $count = 0;
    for my $expression (map { my $e = $_; map { $e =~ s/PATH/$_/r } $secret, $fifo }
                        'file("PATH") =~ m/the secret/', 'file("PATH") !~ m/the secret/', 'FILE("PATH") == ""', q(File ('PATH') == ''),
                        '%{file:PATH} == "x"', '"%{FILE:PATH}" == "x"', '"a%{file:PATH}b" =~ /x/', 'tolower(file("PATH")) == "x"',
                        '%{tolower:%{file:PATH}} == "x"', '"x" in {"y", file("PATH")}', '-n file("PATH")', '-z %{file:PATH}',
                        'file("PA" . "TH") == ""', 'file(%{HTTP:X}) == ""', 'true or file("PATH") == "x"', 'not (false and -n file("PATH"))',
                        'filesize("PATH") == 11', '%{filesize:PATH} > 0', 'FileSize("PATH") != 0', '"x" in PeerExtList(file("PATH"))',
                        '"x" -strmatch file("PATH")', '"a" == "a" . file("PATH")') {
        $h->log_mark;
        is(status('d', "SSLRequire $expression"), 500, $expression);
        ok($h->errorlog_like(qr/\.htaccess: .*SSLRequire: .*file/i), '... with a reason') if !$count++;
        if (!is_stock()) {
            like($h->errorlog, qr/file(?:size)?\(\) reads files, which is not allowed in \.htaccess at column \d+/i, '... in clear words');
        }
    }
    is(status('d', "<If \"true\">\nSSLRequire file(\"$secret\") =~ m/the secret/\n</If>"), 500, 'nor in <If>');
    is(status('d', "<Files \"*\">\nSSLRequire file(\"$secret\") =~ m/the secret/\n</Files>"), 500, 'nor in <Files>');
    ok(!sysopen(my $write, $fifo, POSIX::O_WRONLY | POSIX::O_NONBLOCK), 'nobody has opened the file');
    unlike($h->errorlog, qr/the secret/, 'nor is it in the log');
    # whether a file exists is what RewriteCond and <If> tell in a .htaccess, too
    is(status('d', qq(SSLRequire -f "$secret")), 200, 'a test for existence is as with stock');
    is(status('d', qq(SSLRequire -f "$secret-not")), 403, '... and false');
};

subtest 'mistakes' => sub {
    for my $expression ('(', 'true and', 'a == b', '%{NOSUCH} == ""', '"a" =~ /(/', '"', '', 'nosuch("x") == "x"', "true\x01") {
        is(status('d', "SSLRequire $expression"), 500, "refused: $expression" =~ s/[^ -~]/?/r);
    }
    SKIP: {
        skip 'ours only: bounded depth; and what ends the stock module\'s process', 8 if is_stock();
        for my $bomb ('(' x 4000, '!' x 4000 . 'true', '(' x 3000 . 'true' . ')' x 3000, 'tolower(' x 900, '"%{tolower:' x 700, '%{tolower:"A"} == "a"') {
            $h->log_mark;
            is(status('d', "SSLRequire $bomb"), 500, 'refused: ' . substr $bomb, 0, 40);
        }
        ok($h->errorlog_like(qr/a quotation mark inside of/), 'with a reason');
        unlike($h->errorlog, qr/exit signal/, 'no process has ended');
    }
    is(status('d', 'SSLRequire true and ' . '(true) and ' x 700 . 'true'), 200, 'a long line');
    is(status('d', 'SSLRequire true'), 200, 'and then a good one');
};

subtest 'inheritance' => sub {
    is(get('/narrow/secret.html', 'SSLRequire true', 'narrow'), 403, 'the requirement of the configuration stays');
    is(get('/narrow/index.html'), 200, 'and lets through what it did');
    is(get('/narrow/index.html', 'SSLRequire false', 'narrow'), 403, 'one of .htaccess comes in addition');
    is(get('/d/below/', 'SSLRequire false', 'd'), 403, 'it holds below, too');
    is(get('/d/below/', 'SSLRequire true', 'd/below'), 403, 'where another .htaccess does not lift it');
    is(get('/d/below/', 'SSLRequire true', 'd'), 200, 'both true');
    is(get('/d/below/', 'SSLRequire false', 'd/below'), 403, 'the inner one false');
};

subtest 'AllowOverride' => sub {
    is(status('options', 'SSLRequire true'), 500, 'without AuthConfig');
    is(status('none', 'SSLRequire false'), 200, 'None: not read');
    is(status('listed', 'SSLRequire false'), 403, 'AllowOverrideList SSLRequire');
    is(status('listed', 'SSLRequire true'), 200, '... true');
    is(status('listed', 'SSLRequire file("/etc/hostname") != ""'), 500, '... without files');
};

ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/Segmentation/, 'no crash');
done_testing;
