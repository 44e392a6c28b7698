# syntax=docker/dockerfile:1

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci

FROM dependencies AS build
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM node:24-slim AS production-dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000 \
    STORE_URL=file:/data
WORKDIR /app
COPY --from=production-dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# The version is read from it at start.
COPY package.json ./
RUN mkdir /data && chown node:node /data
# The program by its name: docker run IMAGE oomol-gateway --check
RUN chmod +x dist/main.js && ln -s /app/dist/main.js /usr/local/bin/oomol-gateway
USER node
VOLUME /data
EXPOSE 3000
# /livez, not /readyz: a gateway that drains or is full must not be killed. Needs neither a shell nor curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Node itself gets SIGTERM and handles it: no init is needed.
CMD ["node", "dist/main.js"]
