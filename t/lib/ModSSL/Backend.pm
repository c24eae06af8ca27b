package ModSSL::Backend;

=head1 NAME

ModSSL::Backend - what stands behind a proxy in the tests

=head1 SYNOPSIS

    use ModSSL::Backend qw(front via need);
    my $b = ModSSL::Backend->nginx(rsa => { cert => 'rsa' }, a => { cert => 'a', more => 'ssl_verify_client on;' });
    my $h = front(hosts => { none => 'ProxyPass / https://127.0.0.1:' . $b->port('rsa') . '/' });
    $h->start or die $h->why;
    my $r = via($h, 'none', host => 'rsa.test');     # {status, body, seen => { sni => ..., reused => ... }}

=head1 BACKENDS

Each listens on free ports of 127.0.0.1, is ended by pid with the object (or with the test, however that ends), and lives for
five minutes at most.

  nginx(NAME => \%host, ...)   one port per NAME. cert: name in the PKI or path without ".crt"; more: directives;
                               listen: more words for "listen" ("http2"); location: instead of the answer that tells what it saw
  program(cmd => [...])        any server; @port@ in cmd and in files => { name => text } is its port, @dir@ its directory;
                               input => 1: put() writes to its standard input; ready => qr// waits for that output
  perl(sub { my ($sock, $backend) = @_ }, env => {})  a process per connection, that runs the code and ends without any
                               farewell but what the code said. $backend->note("...") writes a line that notes() gives the test.
  node($script)                node with this script, that listens on process.env.PORT; PKI in process.env.PKI
  haproxy($config)             text after "global"; @port@ and @pki@ are replaced

  port([name])  stop  output (of a program)  notes  put($text)  alive

=head1 FUNCTIONS

  front(%o)   a ModSSL::Httpd in plain HTTP, with mod_proxy and mod_proxy_http. hosts => { NAME => text }: one virtual host per
              NAME, on a port of that name, with "SSLProxyEngine on" before the text; main => text outside of them; more as in new.
  via($h, NAME, %o)   GET / (or what %o of http_request says) through that virtual host; {status => 0} when nothing came.
              seen holds what an nginx backend tells about the connection to it: name sni protocol cipher reused client
              verify host alpn connection requests
  tls($sock, cert => NAME, ...)  makes $sock a TLS server's; other options are IO::Socket::SSL's. False when it fails.
  request($sock)  reads a request: head and body     answer($sock, $body, @headers)  a 200 with Content-Length
  need($program)  skips the test file when this is not installed
  bundled(@names) text of these certificates of the PKI, one after the other

=cut

use strict;
use warnings;
use Exporter 'import';
use File::Path qw(make_path remove_tree);
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL ();
use POSIX qw(:sys_wait_h);
use Scalar::Util qw(weaken);
use Socket qw(SOL_SOCKET SO_LINGER);
use ModSSL::PKI qw(pki_dir pki_file slurp spew);
use ModSSL::Httpd qw(free_ports wait_for);
use ModSSL::Client qw(raw_connect http_request);

our @EXPORT_OK = qw(front via tls request answer need bundled reset_connection);

my $LIFETIME = 300;
my %alive;

# --- the proxy ------------------------------------------------------------------------------------

sub front {
    my (%o) = @_;
    my $hosts = delete $o{hosts} || {};
    my $main = delete $o{main} || '';
    my @modules = (qw(proxy proxy_http), @{ delete $o{modules} || [] });
    my $text = join '', map { "<VirtualHost 127.0.0.1:\@port:$_\@>\nSSLProxyEngine on\n$hosts->{$_}\n</VirtualHost>\n" } sort keys %$hosts;
    return ModSSL::Httpd->new(modules => \@modules, listen => [sort keys %$hosts], config => "$main\n$text", %o);
}

sub via {
    my ($h, $host, %o) = @_;
    my $sock = delete $o{sock} || raw_connect($h->port($host)) or return { status => 0 };
    my $r = http_request($sock, path => '/', host => 'localhost', %o) || { status => 0, body => '', headers => {} };
    $r->{seen} = { map { /^(\w+)=\[(.*)\]$/ ? ($1, $2) : () } split /\n/, $r->{body} };
    return $r;
}

sub need {
    my ($program) = @_;
    return if grep { -x "$_/$program" } split /:/, "$ENV{PATH}:/usr/sbin:/sbin";
    require Test::More;
    Test::More::plan(skip_all => "no $program here (build/deps.sh test)");
}

sub bundled { return join '', map { slurp(pki_file("$_.crt")) } @_ }

# --- all backends ---------------------------------------------------------------------------------

sub new {
    my ($class, %o) = @_;
    my $dir = File::Temp::tempdir('backend-XXXXXX', DIR => $ENV{MODSSL_WORK} || '/tmp', CLEANUP => 0);
    chmod 0755, $dir;
    my $self = bless { dir => $dir, owner => $$, ports => {}, %o }, $class;
    weaken($alive{"$self"} = $self);
    return $self;
}

sub port {
    my ($self, $name) = @_;
    my ($only) = sort keys %{ $self->{ports} };
    return $self->{ports}{ defined $name ? $name : $only } || die "no backend named $name\n";
}

sub dir    { return $_[0]{dir} }
sub alive  { my ($self) = @_; return $self->{pid} && waitpid($self->{pid}, WNOHANG) == 0 }
sub output { my ($self) = @_; return -e "$self->{dir}/output" ? slurp("$self->{dir}/output") : '' }
sub notes  { my ($self) = @_; return -e "$self->{dir}/notes" ? split /\n/, slurp("$self->{dir}/notes") : () }

sub note {
    my ($self, $text) = @_;
    open my $fh, '>>', "$self->{dir}/notes" or return;
    syswrite $fh, "$text\n";
    return;
}

# What was put before has been taken first: some programs see a command only at the start of what one read gives them.
sub put {
    my ($self, $text) = @_;
    ModSSL::Client::until_taken($self->{input});
    return syswrite $self->{input}, $text;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    kill 'TERM', $pid;
    kill 'KILL', $pid if !wait_for(5, sub { waitpid($pid, WNOHANG) != 0 });
    waitpid $pid, 0;
    return;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $@, $!);
    $self->stop;
    remove_tree($self->{dir}) if !$ENV{MODSSL_KEEP};
    delete $alive{"$self"};
    return;
}

END {
    local $?;
    $_->DESTROY for grep { $_ } values %alive;
}

# --- programs -------------------------------------------------------------------------------------

sub program {
    my ($class, %o) = @_;
    my $self = ref $class ? $class : $class->new;
    $self->{ports}{main} ||= (free_ports(1))[0] if !%{ $self->{ports} };
    my $fill = sub {
        my ($text) = @_;
        my %value = (port => (values %{ $self->{ports} })[0], dir => $self->{dir}, pki => pki_dir());
        return $text =~ s/\@(port|dir|pki)\@/$value{$1}/gr;
    };
    spew("$self->{dir}/$_", $fill->($o{files}{$_})) for keys %{ $o{files} || {} };
    $self->launch($o{input}, map { $fill->($_) } @{ $o{cmd} });

    my $ready = $o{ready};
    my $up = sub {
        return 'ended' if !$self->alive;
        return $self->output =~ $ready if $ready;
        return !grep { !IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_, Timeout => 2) } values %{ $self->{ports} };
    };
    my $how = wait_for(20, $up);
    die "backend @{ $o{cmd} } does not start:\n" . $self->output if !$how || $how eq 'ended';
    return $self;
}

sub launch {
    my ($self, $input, @cmd) = @_;
    my ($from, $to);
    if ($input) {
        pipe $from, $to or die "pipe: $!\n";
        $self->{input} = $to;
    }
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    if (!$pid) {
        $from ? open(STDIN, '<&', $from) : open(STDIN, '<', '/dev/null');
        open STDOUT, '>>', "$self->{dir}/output" or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT;
        close $to if $to;
        chdir $self->{dir};
        # a test that is killed takes its backend along, and nothing lives for ever
        { exec 'setpriv', '--pdeathsig', 'TERM', 'timeout', '-k', 5, $LIFETIME, @cmd }
        POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    return;
}

sub nginx {
    my ($class, %hosts) = @_;
    my $self = $class->new;
    my @names = sort keys %hosts;
    @{ $self->{ports} }{@names} = free_ports(scalar @names);
    my $servers = join '', map { $self->nginx_server($_, $hosts{$_}) } @names;
    my $user = $> == 0 ? "user www-data;\n" : '';
    spew("$self->{dir}/nginx.conf", <<"CONF");
daemon off;
${user}worker_processes 1;
pid $self->{dir}/pid;
error_log $self->{dir}/error.log info;
events { worker_connections 256; }
http {
    access_log off;
    @{[ map { "${_}_temp_path $self->{dir}/$_;" } qw(client_body proxy fastcgi uwsgi scgi) ]}
    default_type text/plain;
    keepalive_timeout 300;
    keepalive_requests 100000;
    client_max_body_size 0;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:all:1m;
$servers}
CONF
    return $self->program(cmd => ['nginx', '-c', "$self->{dir}/nginx.conf", '-p', $self->{dir}, '-e', 'stderr']);
}

my %SEEN = (sni => 'ssl_server_name', protocol => 'ssl_protocol', cipher => 'ssl_cipher', reused => 'ssl_session_reused',
    client => 'ssl_client_s_dn', verify => 'ssl_client_verify', host => 'host', alpn => 'ssl_alpn_protocol',
    connection => 'connection', requests => 'connection_requests', method => 'request_method', http => 'server_protocol');

sub nginx_server {
    my ($self, $name, $o) = @_;
    my $tls = $o->{cert} ? 'ssl' : '';
    my $base = !$tls ? '' : $o->{cert} =~ m{^/} ? $o->{cert} : pki_dir() . "/$o->{cert}";
    my $files = $tls ? "ssl_certificate $base.crt; ssl_certificate_key $base.key;" : '';
    my $text = join '', map { "$_=[\$$SEEN{$_}]\\n" } sort keys %SEEN;
    my $location = $o->{location} || "location / { return 200 \"name=[$name]\\n$text\"; }";
    return <<"CONF";
    server {
        listen 127.0.0.1:$self->{ports}{$name} $tls @{[ $o->{listen} || '' ]};
        $files
        @{[ $o->{more} || '' ]}
        $location
    }
CONF
}

sub nginx_log { my ($self) = @_; return slurp("$self->{dir}/error.log") }

sub node {
    my ($class, $script) = @_;
    my $self = $class->new;
    $self->{ports}{main} = (free_ports(1))[0];
    return $self->program(files => { 'server.js' => $script },
        cmd => ['env', 'PORT=@port@', 'PKI=@pki@', 'node', '@dir@/server.js']);
}

sub haproxy {
    my ($class, $config) = @_;
    my $self = $class->new;
    $self->{ports}{main} = (free_ports(1))[0];
    return $self->program(files => { 'haproxy.cfg' => "global\n$config" }, cmd => ['haproxy', '-db', '-f', '@dir@/haproxy.cfg']);
}

# --- a backend in Perl ----------------------------------------------------------------------------

sub perl {
    my ($class, $code) = @_;
    my $self = $class->new;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{ports}{main} = (free_ports(1))[0],
        Listen => 64, ReuseAddr => 1) or die "listen: $!\n";
    my $parent = $$;
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    $self->{pid} = $pid;
    return $self if $pid;

    $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP ALRM);
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';
    my $accepting = IO::Select->new($listener);
    my $end = time + $LIFETIME;
    while (time < $end && getppid == $parent) {
        $accepting->can_read(1) or next;
        my $sock = $listener->accept or next;
        serve($self, $sock, $code) if !fork;
    }
    POSIX::_exit(0);
}

# One connection in a process of its own, that leaves without closing anything: what the code has not said is not said.
sub serve {
    my ($self, $sock, $code) = @_;
    alarm 60;
    $SIG{CHLD} = 'DEFAULT';
    eval { $code->($sock, $self); 1 } or $self->note("died: $@");
    POSIX::_exit(0);
}

sub tls {
    my ($sock, %o) = @_;
    my $cert = delete $o{cert} || 'rsa';
    my $base = $cert =~ m{^/} ? $cert : pki_dir() . "/$cert";
    return IO::Socket::SSL->start_SSL($sock, SSL_server => 1, SSL_cert_file => "$base.crt", SSL_key_file => "$base.key", %o);
}

sub request {
    my ($sock) = @_;
    my $text = '';
    until ($text =~ /\r\n\r\n/) {
        return '' if !sysread $sock, $text, 16384, length $text;
    }
    my ($length) = $text =~ /^Content-Length: (\d+)/mi;
    my $whole = index($text, "\r\n\r\n") + 4 + ($length || 0);
    while (length $text < $whole) {
        last if !sysread $sock, $text, 65536, length $text;
    }
    return $text;
}

sub answer {
    my ($sock, $body, @headers) = @_;
    my $text = join "\r\n", 'HTTP/1.1 200 OK', 'Content-Type: text/plain', 'Content-Length: ' . length($body), @headers, '', $body;
    return syswrite $sock, $text;
}

sub reset_connection {
    my ($sock) = @_;
    setsockopt $sock, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    return;
}

1;
