# Plain HTTP to the TLS port gets a page that says so, at once, whatever the method, the error document or the modules
# beside; the connection ends, and nothing of the request comes back unescaped.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Select;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use ModSSL::Httpd qw(is_stock wait_for mpm);
use ModSSL::Client qw(:all);

# From https://a.test:PORT, one server after the other, with different settings.
sub server {
    my ($name, $lines, %o) = @_;
    my $h = ModSSL::Httpd->new(name => "plain-$name", listen => [qw(https plain)], %o, config => <<"CONF");
Timeout 200
AcceptFilter http none
AcceptFilter https none
UseCanonicalName Off
<VirtualHost *:\@port:https\@>
    ServerName a.test
    SSLEngine on
    SSLCertificateFile    \@pki\@/a.crt
    SSLCertificateKeyFile \@pki\@/a.key
    $lines
</VirtualHost>
<VirtualHost *:\@port:plain\@>
    ServerName a.test
</VirtualHost>
CONF
    $h->cgi('sorry', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\ncgi says sorry %s\\n' \"\$REDIRECT_STATUS\"\n");
    $h->file('htdocs/sorry.html', "a page says sorry\n");
    $h->start or die $h->why;
    return $h;
}

# Everything that comes back until the server ends the connection; undef if it does not.
sub answer {
    my ($h, @pieces) = @_;
    my $sock = raw_connect($h->port) or return;
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    my $text = '';
    for my $piece (@pieces) {
        syswrite $sock, $piece or last;
    }
    return wait_for(15, sub {
        return 0 if !IO::Select->new($sock)->can_read(0.1);
        return !sysread $sock, $text, 65536, length $text;
    }) ? $text : undef;
}

my $SAYS = qr/speaking plain HTTP to an SSL-enabled server port/;
my $H = "Host: a.test\r\n";

sub refused {
    my ($name, $text, $body, $headers) = @_;
    return fail("$name: the connection does not end") if !defined $text;
    return like($text, qr{\AHTTP/1\.1 400 Bad Request\r\n.*^Connection: close\r\n(?:.*\r\n)?\r\n.*$body}ms, $name);
}

sub still_serves {
    my ($h) = @_;
    my $s = tls_connect(port => $h->port, sni => 'a.test');
    my $r = $s && http_get($s, '/', 'a.test', close => 1);
    is($r && $r->{body}, "It works\n", 'TLS on the same port goes on') or diag $tls_error;
    unlike($h->errorlog, qr/exit signal|Segmentation|AH00052/, 'no crash');
    # the body of a refused request is nobody's: a CGI that does not read it must not fail because of it
    unlike($h->errorlog, qr/apr_bucket_read\(\) failed|Error writing request body/, 'no error from the error document');
    return $h->stop;
}

subtest 'requests' => sub {
    my $h = server('requests', '');
    my $port = $h->port;
    refused('GET 1.1', answer($h, "GET / HTTP/1.1\r\n$H\r\n"), $SAYS);
    refused('GET 1.0', answer($h, "GET / HTTP/1.0\r\n\r\n"), $SAYS);
    refused('GET 1.0 with Host', answer($h, "GET / HTTP/1.0\r\n$H\r\n"), $SAYS);
    refused('keep-alive is not granted', answer($h, "GET / HTTP/1.1\r\n${H}Connection: keep-alive\r\n\r\n"), $SAYS);
    refused('a page that exists, or not', answer($h, "GET /no/such HTTP/1.1\r\n$H\r\n"), $SAYS);
    refused('an absolute URI', answer($h, "GET http://a.test/ HTTP/1.1\r\n$H\r\n"), $SAYS);
    refused('a cookie of 4 kB', answer($h, "GET / HTTP/1.1\r\n${H}Cookie: @{['c' x 4000]}\r\n\r\n"), $SAYS);
    refused('POST with a body', answer($h, "POST / HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc"), $SAYS);
    refused('POST without the body that it announces', answer($h, "POST / HTTP/1.1\r\n${H}Content-Length: 3000\r\n\r\n"), $SAYS);
    refused('PUT', answer($h, "PUT /x HTTP/1.1\r\n${H}Content-Length: 0\r\n\r\n"), $SAYS);
    refused('two requests at once: one answer', answer($h, "GET / HTTP/1.1\r\n$H\r\n" x 2), $SAYS);
    my $two = answer($h, "GET / HTTP/1.1\r\n$H\r\n" x 2);
    is(() = $two =~ m{^HTTP/1\.}mg, 1, 'indeed one');
    unlike(answer($h, "GET / HTTP/1.1\r\n$H\r\n"), qr/It works/, 'and never the page itself');
    like($h->accesslog, qr{"GET / HTTP/1\.1" 400}, 'the access log has it') if !is_stock();
    is((curl("http://127.0.0.1:$port/"))[0], 400, 'curl agrees');
    like(answer($h, "HEAD / HTTP/1.1\r\n$H\r\n"), qr{\AHTTP/1\.1 400 }, 'HEAD');
    ok($h->errorlog_like(qr/HTTP spoken on HTTPS port/i), 'the error log says so');

    SKIP: {
        skip 'the stock module knows some methods only', 1 if is_stock();
        unlike(answer($h, "HEAD / HTTP/1.1\r\n$H\r\n"), qr/\r\n\r\n./s, 'HEAD has no body');
        for my $method (qw(DELETE OPTIONS PATCH TRACE PROPFIND PROPPATCH MKCOL MKCALENDAR COPY MOVE LOCK UNLOCK REPORT SEARCH
                           VERSION-CONTROL CHECKOUT MERGE MKACTIVITY BASELINE-CONTROL LABEL UPDATE CHECKIN UNCHECKOUT ACL)) {
            refused($method, answer($h, "$method / HTTP/1.1\r\n$H\r\n"), $SAYS);
        }
        like(answer($h, "CONNECT a.test:443 HTTP/1.1\r\n$H\r\n"), qr{\AHTTP/1\.1 400 }, 'CONNECT');
        refused('OPTIONS *', answer($h, "OPTIONS * HTTP/1.1\r\n$H\r\n"), $SAYS);
        refused('POST in chunks', answer($h, "POST / HTTP/1.1\r\n${H}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), $SAYS);
        refused('Expect: 100-continue', answer($h, "PUT / HTTP/1.1\r\n${H}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"), $SAYS);
        refused('Upgrade: h2c', answer($h, "GET / HTTP/1.1\r\n${H}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"), $SAYS);

        like(answer($h, "GET /x HTTP/1.0\r\n\r\n"), qr{<a href="https://a\.test(?::$port)?/x">}, 'link without Host: by ServerName');
        # The way out: a link to the same thing over https.
        for my $case (
            ['/',                 "https://a.test:$port/"],
            ['/some/page.html',   "https://a.test:$port/some/page.html"],
            ['/p?q=1&r=%20x',     "https://a.test:$port/p?q=1&amp;r=%20x"],
            ['/a%20b',            "https://a.test:$port/a%20b"],
            ["http://a.test:$port/abs", "https://a.test:$port/abs"],
        ) {
            my ($uri, $url) = @$case;
            like(answer($h, "GET $uri HTTP/1.0\r\nHost: a.test:$port\r\n\r\n"), qr/<a href="\Q$url\E">/, "link for $uri");
        }
    }
    still_serves($h);
};

subtest 'byte by byte' => sub {
    my $h = server('bytes', '');
    refused('GET', answer($h, split //, "GET / HTTP/1.1\r\n$H\r\n"), $SAYS);
    refused('GET in two', answer($h, "GE", "T / HTTP/1.1\r\n$H\r\n"), $SAYS);
    refused('line by line', answer($h, "GET / HTTP/1.1\r\n", $H, "\r\n"), $SAYS);
    refused('POST in three', answer($h, "P", "OST / HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\n", "abc"), $SAYS);
    # A beginning that is neither goes the way of any garbage.
    my $text = answer($h, 'GXT / HTTP/1.0', "\r\n\r\n");
    ok(defined $text, 'an unknown method: the connection ends');
    still_serves($h);
};

subtest 'nothing comes back unescaped' => sub {
    my $h = server('escape', '');
    for my $case (
        ['in the path',            "GET /<script>alert(1)</script> HTTP/1.1\r\n$H\r\n"],
        ['in the path, encoded',   "GET /%3Cscript%3Ealert(1)%3C/script%3E HTTP/1.1\r\n$H\r\n"],
        ['in the query',           "GET /?\"><script>alert(1)</script> HTTP/1.1\r\n$H\r\n"],
        ['in Host',                "GET / HTTP/1.1\r\nHost: \"><script>alert(1)</script>\r\n\r\n"],
        ['in Host, with 1.0',      "GET / HTTP/1.0\r\nHost: \"><script>alert(1)</script>\r\n\r\n"],
        ['in an absolute URI',     "GET http://\"><script>/ HTTP/1.1\r\n$H\r\n"],
        ['in the method',          "GET<script> / HTTP/1.1\r\n$H\r\n"],
        ['in Referer and User-Agent', "GET / HTTP/1.1\r\n${H}Referer: <script>\r\nUser-Agent: <script>\r\n\r\n"],
        ['a quote in the path',    "GET /\"onmouseover=\"x HTTP/1.1\r\n$H\r\n"],
        ['a javascript: URI',      "GET javascript:alert(1) HTTP/1.1\r\n$H\r\n"],
    ) {
        my ($name, $request) = @$case;
        my $text = answer($h, $request);
        ok(defined $text, "$name: the connection ends") or next;
        unlike($text, qr/<script|"onmouseover|href="javascript/i, 'and nothing is unescaped');
    }
    my $text = answer($h, "GET /x%0d%0aSet-Cookie:y=z HTTP/1.1\r\n$H\r\n");
    unlike($text, qr/^Set-Cookie/mi, 'no header of the client\'s making');
    still_serves($h);
};

# Custom error documents: CVE-2005-3357 was a NULL dereference there.
for my $case (
    ['text',         'ErrorDocument 400 "custom text says sorry"', qr/^custom text says sorry/m],
    ['a local page', 'ErrorDocument 400 /sorry.html',  qr/a page says sorry/],
    ['a CGI',        'ErrorDocument 400 /cgi/sorry',   qr/cgi says sorry/],
    ['a page that is not there', 'ErrorDocument 400 /nowhere.html', qr/./],
    ['a page behind SSLRequireSSL', "ErrorDocument 400 /sorry.html\n<Location />\nSSLRequireSSL\n</Location>", qr/./],
    ['a page behind SSLVerifyClient', "ErrorDocument 400 /sorry.html\n<Location /sorry.html>\nSSLVerifyClient require\n</Location>", qr/./],
    ['a page with SSI', "ErrorDocument 400 /sorry.shtml\nAddOutputFilter INCLUDES .shtml\nSSLOptions +StdEnvVars", qr/ssi says sorry \(none\) \(none\)/],
) {
    my ($name, $lines, $body) = @$case;
    subtest "ErrorDocument is $name" => sub {
        my $h = server('errordoc', $lines);
        $h->file('htdocs/sorry.shtml', "ssi says sorry <!--#echo var=\"HTTPS\" --> <!--#echo var=\"SSL_PROTOCOL\" -->\n");
        refused('GET', answer($h, "GET / HTTP/1.1\r\n$H\r\n"), $body);
        refused('POST', answer($h, "POST / HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc"), $body);
        refused('GET 1.0', answer($h, "GET / HTTP/1.0\r\n\r\n"), $body);
        still_serves($h);
    };
}
subtest 'ErrorDocument elsewhere' => sub {
    my $h = server('errordoc-url', 'ErrorDocument 400 https://b.test/sorry');
    like(answer($h, "GET / HTTP/1.1\r\n$H\r\n"), qr{\AHTTP/1\.1 302 .*^Location: https://b\.test/sorry\r$}ms, 'a redirection');
    still_serves($h);
};

# Other modules that would serve the request if they could (CVE-2017-3169 came from one of them).
for my $case (
    ['mod_http2, Protocols h2 http/1.1',     ['http2'],      'Protocols h2 http/1.1'],
    ['mod_http2, Protocols h2 h2c http/1.1', ['http2'],      "Protocols h2 h2c http/1.1\nH2Direct on"],
    ['mod_reqtimeout',                       ['reqtimeout'], 'RequestReadTimeout handshake=10 header=10 body=10'],
    ['mod_rewrite',                          [],             "RewriteEngine on\nRewriteRule ^ /cgi/env [L]\nRewriteCond %{SSL:SSL_PROTOCOL} x\nRewriteRule ^ - [F]"],
    ['mod_proxy',                            [qw(proxy proxy_http)], "ProxyRequests off\nProxyPass /p http://127.0.0.1:\@port:plain\@/"],
    ['mod_status and StdEnvVars',            [],             "SSLOptions +StdEnvVars +ExportCertData\nSetHandler server-status"],
    ['FakeBasicAuth, SSLUserName, SSLRequire', [],           "SSLOptions +FakeBasicAuth +StrictRequire\n<Location />\nSSLUserName SSL_CLIENT_S_DN\nSSLRequire %{SSL_PROTOCOL} eq \"x\"\n</Location>"],
    ['log formats',                          [],             'CustomLog logs/ssl_log "%{SSL_PROTOCOL}x %{SSL_CIPHER}x %{version}c %{cipher}c %{SSL_TLS_SNI}x %>s"'],
    ['a client certificate is required',     [],             "SSLVerifyClient require\nSSLCACertificateFile \@pki\@/ca.crt"],
) {
    my ($name, $modules, $lines) = @$case;
    subtest $name => sub {
        my $h = server('modules', $lines, modules => $modules);
        refused('GET', answer($h, "GET /p HTTP/1.1\r\n$H\r\n"), $SAYS);
        refused('GET 1.0', answer($h, "GET / HTTP/1.0\r\n\r\n"), $SAYS);
        refused('POST', answer($h, "POST / HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc"), $SAYS);
        if ($name =~ /http2/) {
            my $frame = "\0\0\0\4\0\0\0\0\0";    # an empty SETTINGS, with which the server's preface begins too
            for my $pieces (["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n$frame"], [split //, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n$frame"]) {
                my $text = answer($h, @$pieces);
                ok(defined $text, 'the preface of HTTP/2: the connection ends');
                unlike($text, qr{\A\x00\x00.\x04}s, 'without HTTP/2 having begun');
            }
            is((h2_get(port => $h->port, host => 'a.test'))[0], 200, 'HTTP/2 over TLS works beside');
            is($curl_info{http_version}, 2, 'it is') if mpm() ne 'prefork';    # where mod_http2 does nothing
        }
        if ($name =~ /certificate is required/) {
            unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
            ok($h->stop, 'ends by itself');
        }
        elsif ($name =~ /mod_rewrite|mod_status|FakeBasic/) {
            unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
            ok(tls_connect(port => $h->port, sni => 'a.test'), 'TLS on the same port goes on');
        }
        else {
            still_serves($h);
        }
        if ($name eq 'log formats') {
            like($h->accesslog('ssl_log'), qr/^- - - - - 400$/m, 'no variable of a TLS connection that was none');
        }
    };
}

done_testing;
